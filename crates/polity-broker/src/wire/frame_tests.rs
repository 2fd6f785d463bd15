//! Requests that come as clients send them: whole, by halves, by drops, or not at all.

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::limits::{LARGE_FRAME, PRODUCE_FRAMES_BUDGET, STALL_TIMEOUT};
use crate::testing::pipe;

const METADATA: i16 = 3;

/// Reads one request that begins with a claim of `length` bytes, and of which `sent` come, and then
/// nothing more. Gives its length, and lets go of it.
async fn come(
    budget: &Budget,
    key: i16,
    length: usize,
    sent: usize,
) -> JoinHandle<Result<usize, FrameError>> {
    let (near, far) = pipe();
    let budget = budget.clone();
    tokio::spawn(async move {
        let mut bytes = vec![0; LENGTH + sent];
        bytes[..LENGTH].copy_from_slice(&(length as u32).to_be_bytes());
        bytes[LENGTH..LENGTH + 2].copy_from_slice(&key.to_be_bytes());
        let sending = async {
            near.write_all(&bytes).await;
            std::future::pending::<()>().await;
        };
        let mut reader = FrameReader::new(far, budget);
        tokio::select! {
            read = reader.next() => read.map(|frame| frame.map_or(0, |frame| frame.bytes.len())),
            () = sending => unreachable!("it never ends"),
        }
    })
}

fn is_slow<T>(read: &Result<T, FrameError>) -> bool {
    matches!(read, Err(FrameError::Slow(_)))
}

#[tokio::test(start_paused = true)]
async fn what_requests_only_claim_takes_no_memory_from_others() {
    let budget = Budget::default();
    let mut halves = Vec::new();
    for _ in 0..100 {
        halves.push(come(&budget, PRODUCE, MAX_PRODUCE_FRAME, 500).await);
        halves.push(come(&budget, PRODUCE, LARGE_FRAME, 500).await);
        halves.push(come(&budget, METADATA, MAX_FRAME, 500).await);
    }
    let begun = Instant::now();
    for (key, length) in [
        (PRODUCE, 3 * LARGE_FRAME),
        (PRODUCE, LARGE_FRAME),
        (METADATA, MAX_FRAME),
    ] {
        let whole = come(&budget, key, length, length)
            .await
            .await
            .expect("it ends");
        assert_eq!(whole.expect("it comes"), length);
    }
    assert_eq!(Instant::now(), begun, "nobody waited");
    for half in halves {
        assert!(is_slow(&half.await.expect("it ends")));
    }
    assert!(begun.elapsed() <= STALL_TIMEOUT + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn halves_that_stall_lose_their_memory_to_those_who_wait() {
    let budget = Budget::default();
    let most = LARGE_FRAME / 4 * 3;
    let mut halves = Vec::new();
    // So many that they all come to wait, with some of it each.
    for _ in 0..4 * PRODUCE_FRAMES_BUDGET / most {
        halves.push(come(&budget, PRODUCE, LARGE_FRAME, most).await);
    }
    let begun = Instant::now();
    let mut whole = Vec::new();
    for _ in 0..10 {
        whole.push(come(&budget, PRODUCE, LARGE_FRAME, LARGE_FRAME).await);
    }
    for whole in whole {
        assert!(whole.await.expect("it ends").is_ok_and(|length| length > 0));
    }
    assert!(begun.elapsed() < STALL_TIMEOUT / 2, "{:?}", begun.elapsed());
    for half in halves {
        assert!(is_slow(&half.await.expect("it ends")));
    }
    assert!(budget.is_all_free());
}

#[tokio::test(start_paused = true)]
async fn many_halves_cost_those_who_come_after_them_seconds_and_not_their_connection() {
    let budget = Budget::default();
    let mut halves = Vec::new();
    for _ in 0..200 {
        halves.push(come(&budget, PRODUCE, LARGE_FRAME, LARGE_FRAME / 4 * 3).await);
    }
    let begun = Instant::now();
    let whole = come(&budget, PRODUCE, 900_000, 900_000).await;
    let whole = whole.await.expect("it ends");
    assert_eq!(whole.expect("it comes"), 900_000);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    for half in halves {
        assert!(is_slow(&half.await.expect("it ends")));
    }
    assert!(budget.is_all_free());
}

/// Holds what a request of so many bytes holds while it comes.
async fn hold(budget: Budget, length: usize) {
    let mut share = budget.share(true, length);
    share.take(length).await;
    tokio::task::yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_more_than_the_memory_together_all_come() {
    let budget = Budget::default();
    let small = (0..2 * PRODUCE_FRAMES_BUDGET / LARGE_FRAME).map(|_| LARGE_FRAME);
    let large = (0..3).map(|_| MAX_PRODUCE_FRAME / 2);
    let begun = Instant::now();
    let all = small
        .chain(large)
        .map(|length| hold(budget.clone(), length));
    let all: Vec<_> = all.map(tokio::spawn).collect();
    for one in all {
        one.await.expect("it comes");
    }
    assert_eq!(
        Instant::now(),
        begun,
        "nobody waited for what does not come"
    );
    assert!(budget.is_all_free());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_by_drops_is_given_up() {
    let (near, far) = pipe();
    let dripping = tokio::spawn(async move {
        for byte in [0, 0, 0, 100, 0, 3, 0, 0, 0, 0, 0, 1] {
            sleep(STALL_TIMEOUT / 2).await;
            near.write_all(&[byte]).await;
        }
    });
    let begun = Instant::now();
    let mut reader = FrameReader::new(far, Budget::default());
    assert!(is_slow(&reader.next().await));
    assert!(begun.elapsed() < 2 * STALL_TIMEOUT, "{:?}", begun.elapsed());
    dripping.await.expect("it ends");
}

#[tokio::test]
async fn what_follows_a_large_request_keeps_none_of_its_memory() {
    let (near, far) = pipe();
    let sending = tokio::spawn(async move {
        let mut bytes = vec![0; LENGTH + LARGE_FRAME];
        bytes[..LENGTH].copy_from_slice(&(LARGE_FRAME as u32).to_be_bytes());
        near.write_all(&bytes).await;
        near.write_all(&[0, 0, 0, 8, 0, 3, 0, 0, 0, 0, 0, 9]).await;
    });
    let mut reader = FrameReader::new(far, Budget::default());
    let large = reader.next().await.expect("it comes").expect("it is there");
    assert_eq!(large.bytes.len(), LARGE_FRAME);
    assert!(reader.buffer.capacity() <= READ_CHUNK);
    let small = reader.next().await.expect("it comes").expect("it is there");
    assert_eq!(small.prefix.correlation, 9);
    assert!(small.share.is_none());
    sending.await.expect("it ends");
}
