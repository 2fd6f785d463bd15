//! `Expect: 100-continue` (RFC 9110, section 10.1.1): every client is let go on, once, and soon.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::locally;
use super::memory::{ORIGIN, Peer, Served, serve};
use crate::Timeouts;

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const DONE: &str = "HTTP/1.1 204 Done\r\n\r\n";

/// A request with a body of four bytes, its head on its way to the first of `ports`.
async fn expecting(ports: &[u16], version: &str, body: &str) -> (Served, Peer, String) {
    let mut served = serve(ports, Duration::ZERO, None);
    let fields = "host: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    let request = format!("PUT / HTTP/{version}\r\n{fields}{body}");
    let sending = served.client.send(request);
    sending.await;
    let mut origin = served.origin().await;
    let head = origin.head().await;
    (served, origin, head)
}

#[tokio::test(start_paused = true)]
async fn a_client_is_let_go_on_though_its_origin_says_nothing() {
    locally(async {
        let (mut served, mut origin, head) = expecting(&[ORIGIN], "1.1", "").await;
        assert!(head.contains("expect: 100-continue\r\n"), "{head}");
        let start = Instant::now();
        assert_eq!(served.client.head().await, CONTINUE);
        assert_eq!(start.elapsed(), Timeouts::default().permission);
        served.client.send("body").await;
        origin.until("body").await;
        // Late: the client has been told.
        origin.send(CONTINUE).await;
        origin.send(DONE).await;
        assert_eq!(served.client.head().await, DONE);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_origins_word_is_passed_on_once() {
    locally(async {
        let (mut served, mut origin, _) = expecting(&[ORIGIN], "1.1", "").await;
        let start = Instant::now();
        origin.send(CONTINUE).await;
        assert_eq!(served.client.head().await, CONTINUE);
        assert!(start.elapsed().is_zero());
        origin.send(CONTINUE).await;
        sleep(Timeouts::default().permission * 2).await;
        served.client.send("body").await;
        origin.until("body").await;
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        origin.send(hints).await;
        origin.send(DONE).await;
        assert_eq!(served.client.head().await, hints);
        assert_eq!(served.client.head().await, DONE);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_wait_is_told_nothing() {
    locally(async {
        let (mut served, mut origin, _) = expecting(&[ORIGIN], "1.1", "body").await;
        origin.until("body").await;
        sleep(Timeouts::default().permission * 2).await;
        origin.send(DONE).await;
        assert_eq!(served.client.head().await, DONE);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_let_a_client_go_on_twice() {
    locally(async {
        let (mut served, mut origin, _) = expecting(&[ORIGIN, ORIGIN], "1.1", "").await;
        origin.send(CONTINUE).await;
        assert_eq!(served.client.head().await, CONTINUE);
        drop(origin);
        let mut origin = served.origin().await;
        origin.head().await;
        origin.send(CONTINUE).await;
        served.client.send("body").await;
        origin.until("body").await;
        origin.send(DONE).await;
        assert_eq!(served.client.head().await, DONE);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_need_not_go_on_is_told_that_its_connection_ends() {
    locally(async {
        let (mut served, mut origin, _) = expecting(&[ORIGIN], "1.1", "").await;
        origin
            .send("HTTP/1.1 303 See\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")
            .await;
        // Whether it sends its body now is its own choice, and so nobody knows what comes next.
        let answer = served.client.head().await;
        assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert_eq!(served.client.head().await, "");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn http_1_0_knows_no_expectations() {
    locally(async {
        let (mut served, mut origin, head) = expecting(&[ORIGIN], "1.0", "").await;
        assert!(!head.contains("expect"), "{head}");
        origin.send(CONTINUE).await;
        sleep(Timeouts::default().permission * 2).await;
        served.client.send("body").await;
        origin.until("body").await;
        origin.send(DONE).await;
        let answer = served.client.head().await;
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_expectation_is_the_origins_to_judge() {
    locally(async {
        let mut served = serve(&[ORIGIN], Duration::ZERO, None);
        served
            .client
            .send("PUT / HTTP/1.1\r\nhost: a\r\nexpect: wonders\r\ncontent-length: 4\r\n\r\n")
            .await;
        let mut origin = served.origin().await;
        assert!(origin.head().await.contains("expect: wonders\r\n"));
        origin
            .send("HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n")
            .await;
        assert!(served.client.head().await.starts_with("HTTP/1.1 417 "));
    })
    .await;
}
