//! What answers hold of memory and open files until their clients have taken them.
//!
//! How large an answer gets is known only when it is there. So no more are made while those that wait to
//! be taken hold as much as they may; meanwhile their clients have a quicker pace to keep
//! ([`Pace`](crate::wire::pace::Pace)).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::limits::{ANSWERS_BUDGET, PRESSED_ANSWERS, SMALL_ANSWER};
use crate::wire::pressure::Pressure;

/// All answers that are not yet taken. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Answers(Arc<Outstanding>);

#[derive(Debug)]
struct Outstanding {
    weight: AtomicUsize,
    taken: Notify,
    pressure: Pressure,
}

/// One of them, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    all: Answers,
    weight: usize,
}

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Outstanding {
            weight: AtomicUsize::new(0),
            taken: Notify::new(),
            pressure: Pressure::new(PRESSED_ANSWERS),
        }))
    }
}

impl Answers {
    /// Waits until there may be another. Cancelling it loses nothing.
    pub(crate) async fn admit(&self) {
        if self.has_room() {
            return;
        }
        let _waiting = self.0.pressure.wait();
        loop {
            let mut taken = std::pin::pin!(self.0.taken.notified());
            // What is taken after this wakes it.
            taken.as_mut().enable();
            if self.has_room() {
                return;
            }
            taken.await;
        }
    }

    /// Counts one that there is now. One that is small is not counted.
    pub(crate) fn hold(&self, weight: usize) -> Option<Held> {
        if weight <= SMALL_ANSWER {
            return None;
        }
        self.0.weight.fetch_add(weight, Ordering::AcqRel);
        Some(Held {
            all: self.clone(),
            weight,
        })
    }

    fn has_room(&self) -> bool {
        self.0.weight.load(Ordering::Acquire) < ANSWERS_BUDGET
    }
}

impl Held {
    /// Who waits for it to be taken.
    pub(crate) fn pressure(&self) -> &Pressure {
        &self.all.0.pressure
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let all = &self.all.0;
        let before = all.weight.fetch_sub(self.weight, Ordering::AcqRel);
        if before >= ANSWERS_BUDGET && before - self.weight < ANSWERS_BUDGET {
            all.taken.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_are_made_while_too_many_are_not_taken() {
        let answers = Answers::default();
        let (large, small) = (answers.hold(ANSWERS_BUDGET), answers.hold(SMALL_ANSWER));
        assert!(small.is_none());
        let waited = timeout(Duration::from_secs(60), answers.admit()).await;
        assert!(waited.is_err(), "it waits");
        let pressure = large.as_ref().expect("it is counted").pressure();
        let mut pressed = pressure.watch();
        assert_eq!(pressed.patience(), None, "nobody waits any more");
        let waiting = tokio::spawn({
            let answers = answers.clone();
            async move { answers.admit().await }
        });
        pressed.changed().await;
        assert!(pressed.patience().is_some());
        drop(large);
        waiting.await.expect("it goes on");
        answers.admit().await;
    }
}
