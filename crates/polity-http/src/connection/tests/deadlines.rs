//! Each wait of an exchange, and the deadline over all its attempts.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::memory::{EXHAUSTED, NEVER, ORIGIN, REFUSED, Script, serve, serve_script};
use super::{GET, locally};
use crate::Timeouts;
use crate::policy::Fault;

const MINUTE: Duration = Duration::from_secs(60);

/// A GET that is answered 504 after `expected`, for `fault`.
async fn ends_after(ports: &[u16], pause: Duration, due: Duration, expected: Duration) -> Fault {
    let mut served = serve(ports, pause, Some(due));
    let start = Instant::now();
    served.client.send(GET).await;
    let answer = served.client.head().await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert_eq!(start.elapsed(), expected);
    served.fault().expect("it has failed")
}

#[tokio::test(start_paused = true)]
async fn connecting_has_a_bound() {
    locally(async {
        let bound = Timeouts::default().connect;
        let fault = ends_after(&[NEVER], MINUTE, MINUTE, bound).await;
        assert_eq!(fault, Fault::ConnectTimeout);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_system_has_no_room_for_is_not_laid_to_the_instance() {
    locally(async {
        let mut served = serve(&[EXHAUSTED], MINUTE, Some(MINUTE));
        served.client.send(GET).await;
        served.client.head().await;
        let fault = served.fault().expect("it has failed");
        assert_eq!(fault, Fault::Exhausted);
        assert!(!fault.is_the_services());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_has_a_bound() {
    locally(async {
        let fault = ends_after(&[ORIGIN], MINUTE, MINUTE, MINUTE).await;
        assert_eq!(fault, Fault::Deadline);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_over_all_attempts() {
    locally(async {
        let due = Timeouts::default().connect * 2 + Duration::from_secs(1);
        let fault = ends_after(&[NEVER; 3], Duration::ZERO, due, due).await;
        assert_eq!(fault, Fault::Deadline);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_over_the_pause_before_an_attempt() {
    locally(async {
        let due = Duration::from_secs(10);
        let mut served = serve(&[REFUSED, ORIGIN], MINUTE, Some(due));
        let start = Instant::now();
        served.client.send(GET).await;
        let answer = served.client.head().await;
        assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
        assert_eq!(start.elapsed(), due);
        assert_eq!(served.fault(), Some(Fault::Deadline));
        assert!(
            served.origins.try_recv().is_err(),
            "it is not sent any more"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_end_of_the_request() {
    locally(async {
        let mut served = serve(&[ORIGIN], MINUTE, Some(MINUTE));
        served
            .client
            .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n")
            .await;
        let mut origin = served.origin().await;
        origin.head().await;
        for _ in 0..10 {
            sleep(Duration::from_secs(20)).await;
            let piece = vec![b'x'; 10_000];
            let mut got = vec![0; piece.len()];
            let reading = tokio::io::AsyncReadExt::read_exact(&mut origin.stream, &mut got);
            let (read, ()) = tokio::join!(reading, served.client.send(piece));
            read.expect("it goes on");
        }
        let start = Instant::now();
        let answer = served.client.head().await;
        assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
        assert_eq!(start.elapsed(), MINUTE);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stands_still_has_a_bound_and_no_other() {
    locally(async {
        let mut served = serve(&[ORIGIN], MINUTE, Some(MINUTE));
        served.client.send(GET).await;
        let mut origin = served.origin().await;
        origin.head().await;
        origin
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        served.client.head().await;
        let start = Instant::now();
        sleep(MINUTE * 10).await;
        origin.send("1\r\na\r\n").await;
        served.client.until("1\r\na\r\n").await;
        assert_eq!(served.client.head().await, "");
        let bound = Timeouts::default().stream_idle;
        assert_eq!(start.elapsed(), MINUTE * 10 + bound);
        assert_eq!(served.fault(), Some(Fault::Idle));
    })
    .await;
}

/// A script whose attempts may take two seconds each, and ten in all.
fn two_seconds_each(ports: &[u16]) -> Script {
    Script {
        ports: ports.to_vec(),
        time_to_answer: Some(Duration::from_secs(10)),
        time_to_attempt: Some(Duration::from_secs(2)),
        ..Script::default()
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_its_whole_time_is_followed_by_another_with_as_much() {
    locally(async {
        // Connecting is part of it.
        let mut served = serve_script(two_seconds_each(&[NEVER, ORIGIN, ORIGIN]));
        let start = Instant::now();
        served.client.send(GET).await;
        let mut silent = served.origin().await;
        silent.head().await;
        assert_eq!(start.elapsed().as_secs(), 2);
        let mut origin = served.origin().await;
        assert_eq!(start.elapsed().as_secs(), 4);
        origin.head().await;
        sleep(Duration::from_millis(1_900)).await;
        origin
            .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await;
        assert!(served.client.head().await.starts_with("HTTP/1.1 200 "));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_with_a_body_has_its_time_from_when_the_body_is_there() {
    locally(async {
        let mut served = serve_script(two_seconds_each(&[ORIGIN]));
        let start = Instant::now();
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n";
        served.client.send(post).await;
        let mut origin = served.origin().await;
        origin.head().await;
        sleep(Duration::from_secs(5)).await;
        served.client.send("ab").await;
        assert!(served.client.head().await.starts_with("HTTP/1.1 504 "));
        assert_eq!(start.elapsed().as_secs(), 7);
        assert_eq!(served.fault(), Some(Fault::AttemptDeadline));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_attempt_is_never_more_than_what_is_left() {
    locally(async {
        // The last of five may take as long as the request.
        for ports in [[ORIGIN; 9].as_slice(), &[ORIGIN; 5]] {
            let mut served = serve_script(two_seconds_each(ports));
            let start = Instant::now();
            served.client.send(GET).await;
            assert!(served.client.head().await.starts_with("HTTP/1.1 504 "));
            assert_eq!(start.elapsed().as_secs(), 10);
            assert_eq!(served.fault(), Some(Fault::Deadline));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connecting_ends_with_the_time_of_its_attempt() {
    locally(async {
        let second = Duration::from_secs(1);
        let mut served = serve_script(Script {
            time_to_attempt: Some(second),
            ..two_seconds_each(&[NEVER])
        });
        let start = Instant::now();
        served.client.send(GET).await;
        assert!(served.client.head().await.starts_with("HTTP/1.1 504 "));
        assert_eq!(start.elapsed(), second);
        assert_eq!(served.fault(), Some(Fault::AttemptDeadline));
    })
    .await;
}
