//! Changes of protocol where the origin speaks HTTP/2 (RFC 8441).

use polity_http::Fault;

use crate::http2_origin::Http2Origin;
use crate::support::*;

/// Key and answer of RFC 6455, section 1.3.
const WEBSOCKET: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";

fn takes_websockets(settings: &mut h2::server::Builder) {
    settings.enable_connect_protocol();
}

#[tokio::test]
async fn a_websocket_is_a_stream_of_its_own() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(WEBSOCKET).await;
    let mut session = origin.accept_with(takes_websockets).await;
    let mut call = session.request().await;
    assert_eq!(call.head.method(), "CONNECT");
    assert_eq!(call.head.uri().path(), "/chat");
    let protocol = call.head.extensions().get::<h2::ext::Protocol>();
    assert_eq!(protocol.map(h2::ext::Protocol::as_str), Some("websocket"));
    assert_eq!(call.field("sec-websocket-version"), Some("13"));
    assert_eq!(
        (call.field("sec-websocket-key"), call.field("upgrade")),
        (None, None)
    );
    let mut answer = call.answer(200, &[("sec-websocket-protocol", "chat")], false);
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{head}"
    );
    assert!(head.contains("upgrade: websocket\r\n"), "{head}");
    assert!(head.contains("sec-websocket-protocol: chat\r\n"), "{head}");
    client.send("ping").await;
    assert_eq!(call.body.data().await.unwrap().unwrap(), "ping");
    answer.send_data("pong".into(), false).unwrap();
    assert_eq!(client.exactly(4).await, b"pong");
    client.finish_sending().await;
    // The end may be a frame of its own.
    let end = call.body.data().await;
    assert!(end.is_none_or(|end| end.unwrap().is_empty()));
    answer.send_data("bye".into(), true).unwrap();
    assert_eq!(client.rest().await, "bye");
    assert_eq!(proxy.ended(1).await[0].fault, None);
}

#[tokio::test]
async fn an_origin_that_wants_none_answers_as_to_any_request() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(WEBSOCKET).await;
    let mut session = origin.accept_with(takes_websockets).await;
    session.request().await.answer(403, &[], true);
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert!(head.contains("content-length: 0\r\n"), "{head}");
}

#[tokio::test]
async fn one_that_knows_of_none_is_not_asked() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(WEBSOCKET).await;
    let mut session = origin.accept().await;
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
    let faults = proxy.policy.faults.lock().unwrap().clone();
    assert!(matches!(faults[..], [Fault::Answer(_)]), "{faults:?}");
    client = proxy.client().await;
    client.send(GET).await;
    session.request().await.answer_whole("ok");
    client.until("0\r\n\r\n").await;
}
