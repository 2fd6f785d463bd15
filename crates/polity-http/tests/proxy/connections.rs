//! Client connections and upstream connections from one request to the next.

use std::time::Duration;

use polity_http::socket::{Sharing, listen};
use polity_http::{Fault, ListenerId, Protocol};

use crate::support::*;

#[tokio::test]
async fn a_request_and_its_answer_pass_without_hop_by_hop_fields() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nConnection: x-secret, close\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\nProxy-Connection: a\r\nAuthorization: me\r\n\r\n")
        .await;
    let mut upstream = origin.accept().await;
    assert_eq!(
        upstream.head().await,
        "GET /a?b=c HTTP/1.1\r\nAccept: */*\r\nAuthorization: me\r\nhost: a.example\r\n\r\n"
    );
    upstream
        .send("HTTP/1.1 203 Fine by me\r\nX-A: b\r\nKeep-Alive: timeout=9\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    assert_eq!(
        client.rest().await,
        "HTTP/1.1 203 Fine by me\r\nX-A: b\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody"
    );
}

#[tokio::test]
async fn an_end_to_end_field_cannot_be_removed_by_listing_it() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: authorization, cookie, x-other\r\nauthorization: me\r\ncookie: c=1\r\nx-other: 2\r\n\r\n")
        .await;
    let head = origin.accept().await.head().await;
    assert_eq!(
        head,
        "GET / HTTP/1.1\r\nauthorization: me\r\ncookie: c=1\r\nhost: a\r\n\r\n"
    );
}

#[tokio::test]
async fn both_connections_are_used_again() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    for _ in 0..3 {
        upstream.head().await;
        upstream.send(OK).await;
        assert!(client.until("ok").await.starts_with("HTTP/1.1 200 OK"));
        client.send(GET).await;
    }
    let mut other = proxy.client().await;
    upstream.head().await;
    upstream.send(OK).await;
    client.until("ok").await;
    other.send(GET).await;
    upstream.head().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\noneGET /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTT")
        .await;
    let mut upstream = origin.accept().await;
    assert!(upstream.until("one").await.starts_with("POST /1 "));
    upstream.send(OK).await;
    assert!(upstream.head().await.starts_with("GET /2 "));
    upstream.send(OK).await;
    client.send("P/1.1\r\nhost: a\r\n\r\n").await;
    assert!(upstream.head().await.starts_with("GET /3 "));
    upstream
        .send("HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n")
        .await;
    client.until("ok").await;
    client.until("ok").await;
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_head_sent_byte_by_byte_is_a_head() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    let sending = tokio::spawn(async move {
        for byte in GET.as_bytes() {
            client.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        client
    });
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    let mut client = sending.await.unwrap();
    client.until("ok").await;
}

#[tokio::test]
async fn a_stale_connection_is_not_used_and_costs_nothing() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address, origin.address]).await;
    let mut client = proxy.client().await;
    for method in ["GET", "POST", "GET"] {
        client
            .send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send(OK).await;
        client.until("ok").await;
        // Closed after the answer, as an origin does that is tired of waiting.
        upstream.finish_sending().await;
        drop(upstream);
    }
    assert!(
        proxy
            .outcomes()
            .iter()
            .all(|outcome| outcome.fault.is_none())
    );
}

#[tokio::test]
async fn a_reused_connection_reset_under_a_get_is_made_good_elsewhere() {
    let (first, second) = (Origin::new().await, Origin::new().await);
    let proxy = proxy(&[first.address, second.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = first.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    client.until("ok").await;

    client.send(GET).await;
    upstream.head().await;
    upstream.reset();
    let mut upstream = second.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    client.until("ok").await;
    assert_eq!(*proxy.policy.faults.lock().unwrap(), [Fault::Stale]);
}

#[tokio::test]
async fn an_origin_that_refuses_is_made_good_elsewhere_whatever_the_method() {
    // Bound and not listening: a port let go could be another test's by now.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let origin = Origin::new().await;
    let proxy = proxy(&[closed.local_addr().unwrap(), origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody")
        .await;
    let mut upstream = origin.accept().await;
    assert!(upstream.until("body").await.starts_with("POST "));
    upstream.send(OK).await;
    client.until("ok").await;
    let faults = proxy.policy.faults.lock().unwrap().clone();
    assert_eq!(
        faults,
        [Fault::Connect(std::io::ErrorKind::ConnectionRefused)]
    );
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_sent_again() {
    let (first, second) = (Origin::new().await, Origin::new().await);
    let proxy = proxy(&[first.address, second.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody")
        .await;
    let mut upstream = first.accept().await;
    upstream.until("body").await;
    drop(upstream);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn a_put_is_sent_again_whole_while_it_is_held() {
    let (first, second) = (Origin::new().await, Origin::new().await);
    let proxy = proxy(&[first.address, second.address]).await;
    let mut client = proxy.client().await;
    client
        .send("PUT /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    let mut upstream = first.accept().await;
    upstream.until("abc\r\n").await;
    drop(upstream);
    let mut upstream = second.accept().await;
    let again = upstream.until("abc\r\n").await;
    assert!(
        again.starts_with("PUT /x ") && again.ends_with("3\r\nabc\r\n"),
        "{again}"
    );
    client.send("0\r\n\r\n").await;
    upstream.until("0\r\n\r\n").await;
    upstream.send(OK).await;
    client.until("ok").await;
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_along() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    client.reset();
    assert_eq!(
        upstream.rest().await,
        "",
        "the upstream connection is closed"
    );
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::ClientGone));
}

#[tokio::test]
async fn http_1_0_clients_are_served_as_they_expect() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    assert_eq!(upstream.head().await, "GET / HTTP/1.1\r\nhost: \r\n\r\n");
    upstream
        .send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(
        client.rest().await,
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabcde"
    );

    let mut client = proxy.client().await;
    for _ in 0..2 {
        client
            .send("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n")
            .await;
        upstream.head().await;
        upstream.send(OK).await;
        let answer = client.until("ok").await;
        assert!(answer.contains("connection: keep-alive\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_closing_listener_lets_a_request_end_and_says_so() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut idle = proxy.client().await;
    idle.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    idle.until("ok").await;
    let mut busy = proxy.client().await;
    busy.send(GET).await;
    upstream.head().await;

    proxy.server.close(ListenerId(0)).await;
    assert_eq!(
        idle.rest().await,
        "",
        "an idle connection is closed at once"
    );
    upstream.send(OK).await;
    let answer = busy.rest().await;
    assert!(
        answer.contains("connection: close\r\n") && answer.ends_with("ok"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_drain_waits_for_requests_and_cuts_what_does_not_end() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    let server = proxy.server.clone();
    let drained = tokio::spawn(async move { server.drain(PATIENCE).await });
    upstream.send(OK).await;
    assert!(client.rest().await.ends_with("ok"));
    assert_eq!(drained.await.unwrap(), 0);

    let proxy = proxy_with(&[origin.address], Protocol::Http, long(), PATIENCE).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let _silent = origin.accept().await;
    assert_eq!(proxy.server.drain(Duration::from_millis(50)).await, 1);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_thread_that_drains_one_listener_goes_on_with_others() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut silent = origin.accept().await;
    silent.head().await;
    let server = proxy.server.clone();
    let bound = PATIENCE * 2;
    let drained = async move { server.drain_listeners([ListenerId(0)].into(), bound).await };
    let drained = tokio::spawn(drained);
    // Closed, so the drain has begun.
    until_refused(proxy.address).await;
    let socket = listen(([127, 0, 0, 1], 0).into(), Sharing::Exclusive).unwrap();
    let address = socket.local_addr().unwrap();
    let listening = proxy.server.listen(ListenerId(1), 0, socket, ());
    let listening = tokio::time::timeout(PATIENCE, listening).await;
    listening.expect("it is not kept waiting").unwrap();
    let mut other = Peer::new(tokio::net::TcpStream::connect(address).await.unwrap());
    other.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    other.until("ok").await;
    silent.send(OK).await;
    assert!(client.rest().await.ends_with("ok"));
    assert_eq!(drained.await.unwrap(), 0);
}

async fn until_refused(address: std::net::SocketAddr) {
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
}
