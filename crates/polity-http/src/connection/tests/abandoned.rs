//! An attempt that has lost its race: followed to its end, within bounds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::memory::{End, NEVER, ORIGIN, Peer, Script, Served, serve_script};
use super::{GET, locally};
use crate::Timeouts;
use crate::limits::{MAX_ABANDONED, MAX_DRAINED, TICK};
use crate::policy::Fault;

const AFTER: Duration = Duration::from_millis(100);
const DUE: Duration = Duration::from_secs(3);
const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
const LATE: &str = "HTTP/1.1 404 No\r\ncontent-length: 4\r\n\r\nlate";
/// Time for what is ready, and for nothing else.
const A_MOMENT: Duration = Duration::from_millis(1);

type Ends = Rc<RefCell<Vec<End>>>;

/// Requests whose second attempt is made after a while, and what becomes of those that lose.
fn followed(ports: &[u16]) -> (Script, Ends) {
    let ends = Ends::default();
    let script = Script {
        ports: ports.to_vec(),
        reuses: true,
        hedge: Some((AFTER, Some(ORIGIN))),
        time_to_answer: Some(DUE),
        ends: Some(ends.clone()),
        matters: Rc::new(Cell::new(true)),
        ..Script::default()
    };
    (script, ends)
}

/// A request that the second of two has answered; and the first, which has it still.
async fn lost(served: &mut Served) -> (Peer, Peer) {
    served.client.send(GET).await;
    let mut first = served.origin().await;
    first.head().await;
    let mut second = served.origin().await;
    second.head().await;
    second.send(DONE).await;
    assert!(served.client.until("done").await.ends_with("done"));
    sleep(A_MOMENT).await;
    (first, second)
}

async fn is_closed(origin: &mut Peer) -> bool {
    origin.until("never").await.is_empty()
}

#[tokio::test(start_paused = true)]
async fn it_is_over_when_it_is_answered_and_its_connection_goes_on() {
    locally(async {
        let (script, ends) = followed(&[ORIGIN]);
        let mut served = serve_script(script);
        let (mut first, _second) = lost(&mut served).await;
        assert_eq!(*ends.borrow(), []);
        first.send("HTTP/1.1 103 Early Hints\r\n\r\n").await;
        for byte in LATE.as_bytes() {
            first.send([*byte]).await;
        }
        sleep(A_MOMENT).await;
        assert_eq!(*ends.borrow(), [End::Answered(404), End::Dropped]);
        // Of two idle connections that which was used last comes first.
        served.client.send(GET).await;
        assert!(first.head().await.starts_with("GET / "));
        first.send(DONE).await;
        // And not a byte of what nobody waited for was sent on.
        let answer = served.client.until("done").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_has_failed_when_its_answer_would_have_been_too_late() {
    locally(async {
        let start = Instant::now();
        let (script, ends) = followed(&[ORIGIN]);
        let mut served = serve_script(script);
        let (mut first, _second) = lost(&mut served).await;
        assert!(is_closed(&mut first).await);
        assert_eq!(start.elapsed(), DUE);
        assert_eq!(*ends.borrow(), [End::Failed(Fault::Deadline), End::Dropped]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_has_failed_when_its_connection_breaks_or_it_is_answered_badly() {
    locally(async {
        let unasked = Fault::Answer("it changes the protocol unasked");
        let cases = [
            ("HTTP/1.1 200 OK\r\n", Fault::Broke),
            ("HTTP/1.1 101 Switching\r\n\r\n", unasked),
        ];
        for (answer, fault) in cases {
            let (script, ends) = followed(&[ORIGIN]);
            let mut served = serve_script(script);
            let (mut first, _second) = lost(&mut served).await;
            first.send(answer).await;
            drop(first);
            sleep(A_MOMENT).await;
            assert_eq!(*ends.borrow(), [End::Failed(fault), End::Dropped]);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_is_let_go_of_once_it_matters_to_nobody() {
    locally(async {
        let (script, ends) = followed(&[ORIGIN]);
        let matters = script.matters.clone();
        let mut served = serve_script(script);
        let (mut first, _second) = lost(&mut served).await;
        sleep(2 * TICK).await;
        assert_eq!(*ends.borrow(), []);
        matters.set(false);
        sleep(TICK).await;
        assert_eq!(*ends.borrow(), [End::Dropped]);
        assert!(is_closed(&mut first).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_not_read_and_one_that_dawdles_is_not_waited_for() {
    locally(async {
        let long = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            MAX_DRAINED + 1
        );
        let dawdling = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart".to_owned();
        for (answer, patience) in [
            (long, Duration::ZERO),
            (dawdling, Timeouts::default().gather),
        ] {
            let (script, ends) = followed(&[ORIGIN]);
            let mut served = serve_script(script);
            let (mut first, _second) = lost(&mut served).await;
            first.send(&answer).await;
            let start = Instant::now();
            assert!(is_closed(&mut first).await);
            assert_eq!(start.elapsed(), patience);
            assert_eq!(*ends.borrow(), [End::Answered(200), End::Dropped]);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_over_at_once() {
    locally(async {
        let (script, ends) = followed(&[NEVER]);
        let mut served = serve_script(script);
        served.client.send(GET).await;
        let mut second = served.origin().await;
        second.head().await;
        second.send(DONE).await;
        served.client.until("done").await;
        assert_eq!(*ends.borrow(), [End::Dropped]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_more_are_followed_than_a_thread_has_room_for() {
    locally(async {
        let (script, ends) = followed(&[ORIGIN]);
        let script = Script {
            reuses: false,
            time_to_answer: Some(Duration::from_secs(3_600)),
            ..script
        };
        let mut served = serve_script(script);
        let mut first = Vec::new();
        for _ in 0..MAX_ABANDONED {
            first.push(lost(&mut served).await.0);
        }
        assert_eq!(*ends.borrow(), []);
        let (mut one_more, _second) = lost(&mut served).await;
        assert!(is_closed(&mut one_more).await);
        assert_eq!(*ends.borrow(), [End::Dropped]);
        // And a place that is given back is used again.
        drop(first.pop());
        sleep(A_MOMENT).await;
        let (_first, _second) = lost(&mut served).await;
        assert_eq!(ends.borrow().len(), 3);
    })
    .await;
}
