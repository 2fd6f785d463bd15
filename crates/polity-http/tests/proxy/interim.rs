//! Interim answers (RFC 9110, section 15.2): passed on as they come, to those who know them.

use crate::support::*;

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
const MORE_HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </b.js>; rel=preload\r\n\r\n";
const PROCESSING: &str = "HTTP/1.1 102 Processing\r\n\r\n";
const UNHEARD_OF: &str = "HTTP/1.1 199 Whatever\r\nx-a: b\r\n\r\n";

#[tokio::test]
async fn interim_answers_are_passed_on_one_by_one() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    for _ in 0..2 {
        client.send(GET).await;
    }
    let mut upstream = origin.accept().await;
    for _ in 0..2 {
        upstream.head().await;
        for interim in [HINTS, MORE_HINTS, PROCESSING, UNHEARD_OF] {
            upstream.send(interim).await;
            assert_eq!(client.head().await, interim);
        }
        // Together with the answer, in one packet.
        upstream.send([HINTS, MORE_HINTS, OK].concat()).await;
        assert_eq!(client.head().await, HINTS);
        assert_eq!(client.head().await, MORE_HINTS);
        assert_eq!(client.until("ok").await, OK);
    }
}

#[tokio::test]
async fn interim_answers_are_not_for_http_1_0() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send([HINTS, PROCESSING, OK].concat()).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn an_interim_answer_has_no_body_whatever_it_says() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 103 Early\r\nconnection: x-hop\r\nx-hop: 1\r\ncontent-length: 5\r\nx-a: b\r\n\r\n")
        .await;
    assert_eq!(client.head().await, "HTTP/1.1 103 Early\r\nx-a: b\r\n\r\n");
    upstream.send(OK).await;
    client.until("ok").await;
}

#[tokio::test]
async fn an_origin_that_never_comes_to_the_point_is_broken() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(PROCESSING.repeat(17)).await;
    let mut head = client.head().await;
    while head.starts_with("HTTP/1.1 102 ") {
        head = client.head().await;
    }
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}
