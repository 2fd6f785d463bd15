//! What is said of a request from one attempt to the next.

use std::time::Duration;

use tokio::time::sleep;

use super::memory::{ORIGIN, REFUSED, Script, serve, serve_script};
use super::{GET, locally};
use crate::policy::{Fault, Replay};

#[tokio::test(start_paused = true)]
async fn a_request_that_one_instance_has_had_is_never_said_to_be_unsent() {
    locally(async {
        let mut served = serve(&[REFUSED, ORIGIN, REFUSED], Duration::ZERO, None);
        served.client.send(GET).await;
        let mut origin = served.origin().await;
        origin.head().await;
        drop(origin);
        assert!(served.client.head().await.starts_with("HTTP/1.1 502 "));
        let expected = [Replay::NotSent, Replay::Held, Replay::Held];
        assert_eq!(*served.replays.borrow(), expected);
    })
    .await;
}

/// A script whose answers of 503 are not accepted, and whose connections are used again.
fn not_503(ports: &[u16]) -> Script {
    Script {
        ports: ports.to_vec(),
        reuses: true,
        unwanted: Some(503),
        ..Script::default()
    }
}

const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy";
const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_accepted_is_not_forwarded_and_the_request_is_made_again() {
    locally(async {
        let mut served = serve_script(not_503(&[ORIGIN, ORIGIN]));
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab";
        served.client.send(post).await;
        let mut first = served.origin().await;
        first.until("ab").await;
        first.send(BUSY).await;
        // Over the same connection, as all of the answer was there.
        assert!(first.until("ab").await.contains("\r\n\r\nab"));
        first.send(DONE).await;
        let answer = served.client.until("done").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(*served.replays.borrow(), [Replay::Held]);
    })
    .await;
}

/// Has a request answered so that it is made again over another connection, which answers it; what the
/// first connection brings after `rest`, of which a next request would come over it.
async fn after_unwanted(head: &str, rest: &str, pause: Duration) -> String {
    let mut served = serve_script(not_503(&[ORIGIN, ORIGIN, ORIGIN]));
    served.client.send(GET).await;
    let mut first = served.origin().await;
    first.head().await;
    first.send(head).await;
    let mut second = served.origin().await;
    second.head().await;
    sleep(pause).await;
    first.send_if_open(rest).await;
    sleep(Duration::from_millis(1)).await;
    second
        .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone")
        .await;
    served.client.until("done").await;
    served.client.send(GET).await;
    tokio::select! {
        head = first.head() => head,
        mut third = served.origin() => {
            third.head().await;
            String::new()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_an_answer_that_is_not_accepted_is_read_over() {
    locally(async {
        let soon = Duration::from_millis(200);
        let length = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbu";
        assert_eq!(
            after_unwanted(length, "sy", soon).await.lines().next(),
            Some("GET / HTTP/1.1")
        );
        let chunked = "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbu";
        let rest = "\r\n2\r\nsy\r\n0\r\n\r\n";
        assert_eq!(
            after_unwanted(chunked, rest, soon).await.lines().next(),
            Some("GET / HTTP/1.1")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_kept_for_an_answer_that_is_late_long_or_followed_by_more() {
    locally(async {
        let none = Duration::ZERO;
        let length = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbu";
        assert_eq!(
            after_unwanted(length, "sy", Duration::from_millis(300)).await,
            ""
        );
        assert_eq!(after_unwanted(length, "sy!", none).await, "");
        let long = "HTTP/1.1 503 Busy\r\ncontent-length: 65537\r\n\r\n";
        assert_eq!(after_unwanted(long, &"a".repeat(65537), none).await, "");
        let chunks = "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n";
        let endless = format!("10001\r\n{}\r\n0\r\n\r\n", "a".repeat(65537));
        assert_eq!(after_unwanted(chunks, &endless, none).await, "");
        let closes = "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(after_unwanted(closes, "", none).await, "");
        let malformed = "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\nwhat\r\n";
        assert_eq!(after_unwanted(malformed, "", none).await, "");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_asked_about_once_however_it_comes() {
    locally(async {
        let mut served = serve_script(not_503(&[ORIGIN]));
        served.client.send(GET).await;
        let mut origin = served.origin().await;
        origin.head().await;
        for byte in DONE.as_bytes() {
            origin.send([*byte]).await;
            sleep(Duration::from_millis(1)).await;
        }
        assert!(served.client.until("done").await.ends_with("done"));
        assert_eq!(*served.asked.borrow(), [200]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_the_request_has_ended_is_asked_about_too() {
    locally(async {
        let mut served = serve_script(not_503(&[ORIGIN]));
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n";
        served.client.send(post).await;
        let mut origin = served.origin().await;
        origin.head().await;
        origin.send(BUSY).await;
        assert!(served.client.head().await.starts_with("HTTP/1.1 502 "));
        assert_eq!(served.fault(), Some(Fault::Unwanted));
    })
    .await;
}
