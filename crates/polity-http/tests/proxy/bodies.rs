//! Bodies in both directions: framing, backpressure, and what may not have one.

use std::time::Duration;

use polity_http::Fault;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::support::*;

async fn one(request: &str, answer: &str) -> (String, String) {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(request).await;
    let mut upstream = origin.accept().await;
    let head = upstream.head().await;
    upstream.send(answer).await;
    upstream.finish_sending().await;
    (head, client.answer().await)
}

impl Peer {
    /// Reads one answer with its body, and checks that the connection is good for another.
    async fn answer(&mut self) -> String {
        let mut text = self.head().await;
        if text.contains("transfer-encoding: chunked") {
            text += &self.until("0\r\n\r\n").await;
        } else if let Some(length) = text.split("content-length: ").nth(1) {
            let length = length.split('\r').next().unwrap().parse().unwrap();
            text += &String::from_utf8(self.exactly(length).await).unwrap();
        }
        text
    }
}

#[tokio::test]
async fn chunked_bodies_are_framed_anew_in_both_directions() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\n\r\n0003;ext=\"1\"\r\nabc\r\nA\r\n0123456789\r\n00\r\nx-sum: 1\r\nhost: evil\r\n\r\n")
        .await;
    let mut upstream = origin.accept().await;
    let sent = upstream.until("0\r\nx-sum: 1\r\n\r\n").await;
    assert!(
        sent.ends_with("transfer-encoding: chunked\r\nhost: a\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n"),
        "{sent}"
    );
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nx-t: 2\r\nset-cookie: a\r\n\r\n")
        .await;
    let answer = client.until("x-t: 2\r\n\r\n").await;
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 2\r\n\r\n"
    );
    client.send(GET).await;
    assert!(upstream.head().await.starts_with("GET "));
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_becomes_chunks() {
    let (_, answer) = one(GET, "HTTP/1.0 200 OK\r\n\r\nhello").await;
    assert!(
        answer.contains("transfer-encoding: chunked\r\n"),
        "{answer}"
    );
    assert!(
        answer.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn head_204_and_304_have_no_body_but_may_tell_a_length() {
    let head = "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";
    let check = async |request, answer, expected: &str| {
        let origin = Origin::new().await;
        let proxy = proxy(&[origin.address]).await;
        let mut client = proxy.client().await;
        client.send(request).await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send(answer).await;
        assert_eq!(client.head().await, expected);
        client.send(GET).await;
        upstream.head().await;
        upstream.send(OK).await;
        client.until("ok").await;
    };
    check(
        head,
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
    )
    .await;
    check(
        head,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    )
    .await;
    check(
        GET,
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\netag: \"a\"\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 10\r\n\r\n",
    )
    .await;
    check(
        GET,
        "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    )
    .await;
}

#[tokio::test]
async fn a_continue_is_passed_on_before_the_body_is_sent() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        .await;
    let mut upstream = origin.accept().await;
    assert!(upstream.head().await.contains("expect: 100-continue\r\n"));
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body").await;
    upstream.until("body").await;
    upstream
        .send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        .await;
    upstream.send(OK).await;
    assert_eq!(
        client.head().await,
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    );
    client.until("ok").await;
}

#[tokio::test]
async fn a_refused_expectation_ends_the_connection_after_the_answer() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        .await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno")
        .await;
    let answer = client.rest().await;
    assert!(
        answer.contains("connection: close\r\n") && answer.ends_with("no"),
        "{answer}"
    );
    assert_eq!(
        upstream.rest().await,
        "",
        "a connection in doubt is not used again"
    );
}

#[tokio::test]
async fn an_early_answer_is_forwarded_while_the_request_goes_on() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    let mut upstream = origin.accept().await;
    upstream.until("1\r\na\r\n").await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nA\r\n")
        .await;
    client.until("1\r\nA\r\n").await;
    client.send("1\r\nb\r\n").await;
    upstream.until("1\r\nb\r\n").await;
    upstream.send("1\r\nB\r\n").await;
    client.until("1\r\nB\r\n").await;
    client.send("0\r\n\r\n").await;
    upstream.until("0\r\n\r\n").await;
    upstream.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    client.send(GET).await;
    assert!(
        upstream.head().await.starts_with("GET "),
        "both go on being used"
    );
}

#[tokio::test]
async fn an_answer_that_refuses_a_large_body_reaches_a_client_that_is_still_sending() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 600000\r\n\r\n")
        .await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 413 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno")
        .await;
    drop(upstream);
    client.head().await;
    let _ = client.stream.write_all(&[0; 600_000]).await;
    assert_eq!(client.rest().await, "no");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_origin_back() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    const SIZE: usize = 256 << 20;
    upstream
        .send(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n"))
        .await;
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    // Until the kernel's buffers and the proxy's are full, and nothing moves.
    while timeout(
        Duration::from_millis(500),
        upstream.stream.write_all(&piece),
    )
    .await
    .is_ok()
    {
        sent += piece.len();
        assert!(
            sent < SIZE / 2,
            "{sent} bytes were taken that nobody has read"
        );
    }
    client.head().await;
    assert_eq!(
        client.exactly(1 << 20).await.len(),
        1 << 20,
        "it goes on when the client reads"
    );
}

#[tokio::test]
async fn large_bodies_arrive_whole_in_both_directions() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    let body: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let sent = body.clone();
    let sending = tokio::spawn(async move {
        let head = format!(
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            sent.len()
        );
        client.send(head).await;
        client.send(&sent).await;
        client
    });
    let mut upstream = origin.accept().await;
    upstream.head().await;
    assert!(upstream.exactly(body.len()).await == body);
    let mut client = sending.await.unwrap();
    let answer = body.clone();
    let answering = tokio::spawn(async move {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        upstream.send(head).await;
        upstream.send(&answer).await;
    });
    client.head().await;
    assert!(client.exactly(body.len()).await == body);
    answering.await.unwrap();
    let outcome = &proxy.ended(1).await[0];
    assert_eq!(
        (outcome.request_bytes, outcome.answer_bytes),
        (12_000_000, 12_000_000)
    );
}

#[tokio::test]
async fn a_malformed_request_body_is_refused_and_goes_no_further() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    let mut upstream = origin.accept().await;
    upstream.until("1\r\na\r\n").await;
    client.send("2\r\nabX").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
    assert!(
        !upstream.rest().await.contains("0\r\n\r\n"),
        "the request is not ended"
    );
    assert!(matches!(
        proxy.ended(1).await[0].fault,
        Some(Fault::Body(_))
    ));
}
