//! Large requests, worked on one at a time and after everybody else.
//!
//! To decode and answer tens of thousands of elements, or to tell of all partitions there are, keeps a thread
//! busy for as long as thousands of small requests do. Worked on wherever a thread is free, a few hundred of them would be all that the threads do for
//! seconds, and who asks for little would wait for them all.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::limits::LABORIOUS;

/// Had by one at a time. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    one: Arc<Semaphore>,
    laborious: Duration,
}

impl Default for Turn {
    fn default() -> Self {
        Self::among_those_that_take(LABORIOUS)
    }
}

impl Turn {
    /// For the next of whoever has kept a thread for that long.
    pub(crate) fn among_those_that_take(laborious: Duration) -> Self {
        Self {
            one: Arc::new(Semaphore::new(1)),
            laborious,
        }
    }

    pub(crate) fn is_laborious(&self, took: Duration) -> bool {
        took >= self.laborious
    }

    /// Does `work`, of which no step is taken while somebody else takes one. The turn is not kept while the
    /// work waits for something. Cancelling it cancels the work.
    pub(crate) async fn take<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            // Never closed.
            let turn = self.one.acquire().await;
            // Whoever is ready goes first, and whoever the system says is ready.
            yield_now().await;
            let step = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
            drop(turn);
            if let Poll::Ready(done) = step {
                return done;
            }
            woken().await;
        }
    }
}

#[cfg(test)]
impl Turn {
    /// Nobody has a turn until what this gives is dropped.
    pub(crate) async fn hold(&self) -> tokio::sync::OwnedSemaphorePermit {
        let turn = self.one.clone().acquire_owned().await;
        turn.expect("it is never closed")
    }
}

/// Does `work`, and gives with it how long that kept a thread. Cancelling it cancels the work.
pub(crate) async fn timed<F: Future>(work: F) -> (F::Output, Duration) {
    let mut work = pin!(work);
    let mut took = Duration::ZERO;
    poll_fn(|context| {
        let begun = Instant::now();
        let step = work.as_mut().poll(context);
        took += begun.elapsed();
        step.map(|done| (done, took))
    })
    .await
}

/// Ends when the task is woken, by whatever it was that the step before this has asked to be woken by.
async fn woken() {
    let mut is_woken = false;
    poll_fn(|_| match std::mem::replace(&mut is_woken, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test]
    async fn who_needs_no_turn_goes_before_those_who_wait_for_it() {
        let turn = Turn::default();
        let done = Arc::new(Mutex::new(Vec::new()));
        let mut all = Vec::new();
        for number in 0..10 {
            let (turn, done) = (turn.clone(), done.clone());
            let work = async move { done.lock().expect("it is whole").push(number) };
            all.push(match number {
                9 => tokio::spawn(work),
                _ => tokio::spawn(async move { turn.take(work).await }),
            });
        }
        for one in all {
            one.await.expect("it ends");
        }
        let done = done.lock().expect("it is whole");
        assert_eq!(*done, [9, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_two_steps_are_taken_at_once() {
        let turn = Turn::default();
        let now = Arc::new(AtomicUsize::new(0));
        let all: Vec<_> = (0..16)
            .map(|_| {
                let (turn, now) = (turn.clone(), now.clone());
                tokio::spawn(async move {
                    let work = async {
                        for _ in 0..20 {
                            assert_eq!(now.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            now.fetch_sub(1, Ordering::SeqCst);
                            yield_now().await;
                        }
                    };
                    turn.take(work).await;
                })
            })
            .collect();
        for one in all {
            one.await.expect("it ends");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_something_else_holds_up_nobody() {
        let turn = Turn::default();
        let waiting = tokio::spawn({
            let turn = turn.clone();
            async move { turn.take(sleep(Duration::from_secs(60))).await }
        });
        yield_now().await;
        let quick = timeout(Duration::from_secs(1), turn.take(async { 7 })).await;
        assert_eq!(quick.expect("it has its turn"), 7);
        waiting.await.expect("it is woken");
    }
}
