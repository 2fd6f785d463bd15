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

/// A script whose answers of 503 are not accepted.
fn not_503(ports: &[u16]) -> Script {
    Script {
        ports: ports.to_vec(),
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
        let mut second = served.origin().await;
        assert!(second.until("ab").await.contains("\r\n\r\nab"));
        second.send(DONE).await;
        let answer = served.client.until("done").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(*served.replays.borrow(), [Replay::Held]);
        assert_eq!(first.until("never").await, "", "its connection is closed");
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
