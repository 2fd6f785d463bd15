//! Upgrades and plain tunnels: bytes pass both ways, and each side's end is its own.

use polity_http::{Fault, Protocol};

use crate::support::*;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n";

#[tokio::test]
async fn an_upgrade_becomes_a_tunnel_with_two_ends() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    // A client that does not wait: its first frame comes with the request.
    client.send(format!("{UPGRADE}early")).await;
    let mut upstream = origin.accept().await;
    let head = upstream.head().await;
    assert!(
        head.contains("connection: upgrade\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    upstream.send(format!("{SWITCH}hello")).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("connection: upgrade\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    client.until("hello").await;
    upstream.until("early").await;
    client.send("ping").await;
    upstream.until("ping").await;
    client.finish_sending().await;
    assert_eq!(upstream.rest().await, "");
    upstream.send("last words").await;
    drop(upstream);
    assert_eq!(client.rest().await, "last words");
    let outcome = &proxy.ended(1).await[0];
    assert_eq!(outcome.status, Some(101));
    assert_eq!((outcome.request_bytes, outcome.answer_bytes), (9, 15));
    assert_eq!(outcome.fault, None);
}

#[tokio::test]
async fn a_client_that_only_listens_may_end_its_sending_before_the_upgrade() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(format!("{UPGRADE}early")).await;
    client.finish_sending().await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(SWITCH).await;
    client.head().await;
    assert_eq!(upstream.rest().await, "early");
    upstream.send("events").await;
    client.until("events").await;
    upstream.finish_sending().await;
    assert_eq!(client.rest().await, "");
    let outcome = &proxy.ended(1).await[0];
    assert_eq!((outcome.status, &outcome.fault), (Some(101), &None));
}

#[tokio::test]
async fn data_sent_ahead_of_an_upgrade_that_is_declined_is_the_next_request() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(format!("{UPGRADE}{GET}")).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send(
            "HTTP/1.1 426 No\r\nupgrade: other\r\nconnection: upgrade\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 426 "));
    assert!(upstream.head().await.starts_with("GET / "));
    upstream.send(OK).await;
    client.until("ok").await;
}

#[tokio::test]
async fn an_upgrade_that_is_declined_is_an_answer_like_any_other() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(UPGRADE).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    client.until("ok").await;
    client.send(GET).await;
    assert!(!upstream.head().await.contains("upgrade"));
}

#[tokio::test]
async fn http_2_is_not_upgraded_to() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n")
        .await;
    let head = origin.accept().await.head().await;
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
}

#[tokio::test]
async fn a_change_of_protocol_nobody_asked_for_is_a_broken_answer() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(SWITCH).await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

/// Bound and not listening: a port let go could be another test's by now.
fn closed() -> tokio::net::TcpSocket {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket
}

#[tokio::test]
async fn a_connection_that_is_not_http_passes_as_it_is() {
    let closed = closed();
    let origin = Origin::new().await;
    let origins = [closed.local_addr().unwrap(), origin.address];
    let proxy = proxy_with(&origins, Protocol::Tcp, long(), PATIENCE).await;
    let mut client = proxy.client().await;
    client.send(b"\x00\x01anything").await;
    let mut upstream = origin.accept().await;
    upstream.until("anything").await;
    client.finish_sending().await;
    assert_eq!(upstream.rest().await, "");
    upstream.send("answer").await;
    drop(upstream);
    assert_eq!(client.rest().await, "answer");
    let outcome = &proxy.ended(1).await[0];
    assert_eq!((outcome.request_bytes, outcome.answer_bytes), (10, 6));
}

#[tokio::test]
async fn a_tunnel_to_nowhere_is_reset() {
    let closed = closed();
    let origins = [closed.local_addr().unwrap()];
    let proxy = proxy_with(&origins, Protocol::Tcp, long(), PATIENCE).await;
    // The reset may be quicker than the word that the connection stands.
    if let Ok(stream) = tokio::net::TcpStream::connect(proxy.address).await {
        assert!(Peer::new(stream).rest_or_reset().await.1);
    }
    let fault = proxy.ended(1).await[0].fault.clone();
    assert_eq!(
        fault,
        Some(Fault::Connect(std::io::ErrorKind::ConnectionRefused))
    );
}

/// Opens a tunnel, has one side reset it, and gives what that is called.
async fn fault_of(reset: impl FnOnce(Peer, Peer)) -> Option<Fault> {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(UPGRADE).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(SWITCH).await;
    client.head().await;
    reset(client, upstream);
    proxy.ended(1).await[0].fault.clone()
}

#[tokio::test]
async fn a_tunnel_that_is_reset_is_the_doing_of_who_resets_it() {
    let keep = |kept: Peer| std::mem::forget(kept);
    let by_client = fault_of(|client, upstream| {
        client.reset();
        keep(upstream);
    });
    assert_eq!(by_client.await, Some(Fault::ClientGone));
    let by_upstream = fault_of(|client, upstream| {
        upstream.reset();
        keep(client);
    });
    assert_eq!(by_upstream.await, Some(Fault::Broke));
}
