//! gRPC-Web, which origins see as gRPC.

use crate::http2_origin::{Http2Origin, trailers};
use crate::support::*;

#[tokio::test]
async fn messages_pass_as_they_are_and_trailers_as_the_last() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST /a HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web+proto\r\ncontent-length: 7\r\n\r\n\0\0\0\0\x02hi")
        .await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    assert_eq!(call.field("content-type"), Some("application/grpc+proto"));
    assert_eq!(
        (call.field("te"), call.field("content-length")),
        (Some("trailers"), Some("7"))
    );
    assert_eq!(call.body().await.0, "\0\0\0\0\x02hi");
    let mut answer = call.answer(200, &[("content-type", "application/grpc+proto")], false);
    answer.send_data("\0\0\0\0\x02ok".into(), false).unwrap();
    answer
        .send_trailers(trailers(&[("grpc-status", "0")]))
        .unwrap();
    let head = client.head().await;
    assert!(
        head.contains("content-type: application/grpc-web+proto\r\n"),
        "{head}"
    );
    let body = client.until("0\r\ngrpc-status: 0\r\n\r\n").await;
    assert!(body.contains("\0\0\0\0\x02ok"), "{body:?}");
    assert!(
        body.contains("\0\0\0\x10grpc-status: 0\r\n\r\n"),
        "{body:?}"
    );
}

#[tokio::test]
async fn text_is_base64_both_ways() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST /a HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web-text\r\ncontent-length: 12\r\n\r\nAAAA")
        .await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    assert_eq!(call.field("content-type"), Some("application/grpc"));
    assert_eq!(call.field("content-length"), None);
    client.send("AAJoaQ==").await;
    assert_eq!(call.body().await.0, "\0\0\0\0\x02hi");
    let mut answer = call.answer(200, &[("content-type", "application/grpc")], false);
    answer.send_data("\0\0\0\0\x02ok".into(), false).unwrap();
    answer
        .send_trailers(trailers(&[("grpc-status", "0")]))
        .unwrap();
    let head = client.head().await;
    assert!(
        head.contains("content-type: application/grpc-web-text\r\n"),
        "{head}"
    );
    let body = client.until("0\r\ngrpc-status: 0\r\n\r\n").await;
    assert!(
        body.contains("AAAAAAJvaw==") && body.contains("gAAAABBncnBjLXN0YXR1czogMA0K"),
        "{body:?}"
    );
}

#[tokio::test]
async fn an_answer_without_a_message_has_its_status_in_the_head() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST /a HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\ncontent-length: 0\r\n\r\n")
        .await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    call.answer(
        200,
        &[("content-type", "application/grpc"), ("grpc-status", "5")],
        true,
    );
    let head = client.head().await;
    assert!(
        head.contains("content-type: application/grpc-web\r\n"),
        "{head}"
    );
    assert!(
        head.contains("grpc-status: 5\r\n") && head.contains("content-length: 0\r\n"),
        "{head}"
    );
}
