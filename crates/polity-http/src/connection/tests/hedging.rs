//! A second attempt beside the first: when it is made, who wins, and what becomes of the loser.

use std::time::Duration;

use tokio::time::Instant;

use super::memory::{NEVER, ORIGIN, Peer, REFUSED, Script, Served, serve_script};
use super::{GET, locally};
use crate::policy::{Fault, Racer, Replay};

const AFTER: Duration = Duration::from_millis(100);
const DUE: Duration = Duration::from_secs(3);

const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy";

/// Requests go to the first port, and after a while to the second too.
fn hedged(first: u16, second: Option<u16>) -> Script {
    Script {
        ports: vec![first],
        hedge: Some((AFTER, second)),
        time_to_answer: Some(DUE),
        unwanted: Some(503),
        ..Script::default()
    }
}

/// A request at both of two origins.
async fn at_both(script: Script) -> (Served, Peer, Peer) {
    let start = Instant::now();
    let mut served = serve_script(script);
    served.client.send(GET).await;
    let mut first = served.origin().await;
    let asked = first.head().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    let mut second = served.origin().await;
    assert_eq!(second.head().await, asked);
    assert_eq!(start.elapsed(), AFTER);
    (served, first, second)
}

async fn is_closed(origin: &mut Peer) -> bool {
    origin.until("never").await.is_empty()
}

#[tokio::test(start_paused = true)]
async fn the_second_answers_for_a_first_that_is_slow() {
    locally(async {
        let (mut served, mut first, mut second) = at_both(hedged(ORIGIN, Some(ORIGIN))).await;
        second.send(DONE).await;
        let answer = served.client.until("done").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(is_closed(&mut first).await);
        assert_eq!(*served.races.borrow(), [(Racer::Second, None)]);
        assert_eq!(served.fault(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_may_still_win() {
    locally(async {
        let (mut served, mut first, mut second) = at_both(hedged(ORIGIN, Some(ORIGIN))).await;
        first.send(DONE).await;
        assert!(served.client.until("done").await.ends_with("done"));
        assert!(is_closed(&mut second).await);
        assert_eq!(*served.races.borrow(), [(Racer::First, None)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_in_time_is_asked_once_and_its_connection_goes_on() {
    locally(async {
        let mut served = serve_script(hedged(ORIGIN, Some(REFUSED)));
        for _ in 0..2 {
            served.client.send(GET).await;
            let mut origin = served.origin().await;
            origin.head().await;
            origin.send("HTTP/1.1 100 Continue\r\n\r\n").await;
            for byte in DONE.as_bytes() {
                origin.send([*byte]).await;
            }
            let answer = served.client.until("done").await;
            assert!(answer.starts_with("HTTP/1.1 100 "), "{answer}");
        }
        tokio::time::sleep(2 * AFTER).await;
        assert_eq!(*served.races.borrow(), []);
        assert_eq!(*served.asked.borrow(), [200, 200]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_first_that_does_not_even_connect_is_passed_by() {
    locally(async {
        let mut served = serve_script(hedged(NEVER, Some(ORIGIN)));
        served.client.send(GET).await;
        let mut second = served.origin().await;
        second.head().await;
        second.send(DONE).await;
        assert!(served.client.until("done").await.ends_with("done"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_that_fails_at_once_leaves_the_first_to_go_on() {
    locally(async {
        let mut served = serve_script(hedged(ORIGIN, Some(REFUSED)));
        served.client.send(GET).await;
        let mut first = served.origin().await;
        first.head().await;
        tokio::time::sleep(2 * AFTER).await;
        let refused = Fault::Connect(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(*served.races.borrow(), [(Racer::Second, Some(refused))]);
        first.send(DONE).await;
        assert!(served.client.until("done").await.ends_with("done"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_place_for_a_second_the_first_goes_on() {
    locally(async {
        let mut served = serve_script(hedged(ORIGIN, None));
        served.client.send(GET).await;
        let mut first = served.origin().await;
        first.head().await;
        tokio::time::sleep(2 * AFTER).await;
        first.send(DONE).await;
        assert!(served.client.until("done").await.ends_with("done"));
        assert_eq!(*served.races.borrow(), []);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_first_that_breaks_leaves_the_second_to_go_on_and_a_second_too_fails_the_request() {
    locally(async {
        let (mut served, first, mut second) = at_both(hedged(ORIGIN, Some(ORIGIN))).await;
        drop(first);
        second.send("HTTP/1.1 200 OK\r\n").await;
        drop(second);
        assert!(served.client.head().await.starts_with("HTTP/1.1 502 "));
        assert_eq!(*served.races.borrow(), [(Racer::First, Some(Fault::Broke))]);
        assert_eq!(*served.replays.borrow(), [Replay::Held]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_wanted_loses() {
    locally(async {
        let (mut served, mut first, mut second) = at_both(hedged(ORIGIN, Some(ORIGIN))).await;
        second.send(BUSY).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        first.send(DONE).await;
        let answer = served.client.until("done").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(
            *served.races.borrow(),
            [(Racer::Second, Some(Fault::Unwanted))]
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_for_both() {
    locally(async {
        let start = Instant::now();
        let (mut served, mut first, mut second) = at_both(hedged(ORIGIN, Some(ORIGIN))).await;
        assert!(served.client.head().await.starts_with("HTTP/1.1 504 "));
        assert_eq!(start.elapsed(), DUE);
        assert!(is_closed(&mut first).await && is_closed(&mut second).await);
        assert_eq!(*served.races.borrow(), []);
        assert_eq!(served.fault(), Some(Fault::Deadline));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_time_of_its_own() {
    locally(async {
        let start = Instant::now();
        let time = Duration::from_secs(1);
        let script = Script {
            time_to_attempt: Some(time),
            ..hedged(ORIGIN, Some(ORIGIN))
        };
        let (mut served, mut first, mut second) = at_both(script).await;
        assert!(is_closed(&mut first).await);
        assert_eq!(start.elapsed(), time);
        assert!(is_closed(&mut second).await);
        assert_eq!(start.elapsed(), AFTER + time);
        assert!(served.client.head().await.starts_with("HTTP/1.1 504 "));
        let late = Some(Fault::AttemptDeadline);
        assert_eq!(*served.races.borrow(), [(Racer::First, late)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_lets_go_of_both() {
    locally(async {
        let (served, mut first, mut second) = at_both(hedged(ORIGIN, Some(ORIGIN))).await;
        let Served {
            client, outcomes, ..
        } = served;
        client.broken.notify_one();
        drop(client);
        assert!(is_closed(&mut first).await && is_closed(&mut second).await);
        assert_eq!(outcomes.borrow()[0].fault, Some(Fault::ClientGone));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn neither_a_body_nor_a_change_of_protocol_is_asked_for_twice() {
    locally(async {
        let upgrade = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        let body = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab";
        for request in [upgrade, body] {
            let mut served = serve_script(hedged(ORIGIN, Some(ORIGIN)));
            served.client.send(request).await;
            let _first = served.origin().await;
            assert!(served.client.head().await.starts_with("HTTP/1.1 504 "));
            assert!(served.origins.try_recv().is_err(), "{request}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_both_say_in_between_is_passed_on_and_what_follows_a_race_is_gathered() {
    locally(async {
        let (mut served, mut first, mut second) = at_both(hedged(ORIGIN, Some(ORIGIN))).await;
        for origin in [&mut first, &mut second] {
            origin.send("HTTP/1.1 103 Early Hints\r\n\r\n").await;
            let hint = served.client.head().await;
            assert!(hint.starts_with("HTTP/1.1 103 "), "{hint}");
        }
        let (head, body) = DONE.split_at(DONE.len() - 4);
        first.send(head).await;
        assert!(is_closed(&mut second).await);
        first.send(body).await;
        let answer = served.client.until("done").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(*served.asked.borrow(), [200]);
    })
    .await;
}
