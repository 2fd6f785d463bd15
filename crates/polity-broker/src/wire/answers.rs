//! What answers hold of memory and open files until their clients have taken them.
//!
//! How large an answer gets is known only when it is there. So no more are made while those that wait to
//! be taken hold as much as they may; and one that is large is encoded only where there is room for all of it, or
//! nothing else is held. Meanwhile their clients have a quicker pace to keep ([`Pace`](crate::wire::pace::Pace)).

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
    /// Those who wait for some to be taken.
    waiting: AtomicUsize,
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
            waiting: AtomicUsize::new(0),
            taken: Notify::new(),
            pressure: Pressure::new(PRESSED_ANSWERS),
        }))
    }
}

impl Answers {
    /// Waits until there may be another. Cancelling it loses nothing.
    pub(crate) async fn admit(&self) {
        self.wait(|all| all.has_room().then_some(())).await;
    }

    /// Waits until there is room for one of that size, and counts it. One that is larger than all of the room waits
    /// until there is no other. Cancelling it loses nothing.
    pub(crate) async fn room(&self, size: usize) -> Held {
        self.wait(|all| all.try_room(size)).await
    }

    /// The same where there is room already.
    pub(crate) fn try_room(&self, size: usize) -> Option<Held> {
        let fits =
            |held: usize| (held == 0 || held + size <= ANSWERS_BUDGET).then_some(held + size);
        let counted = self
            .0
            .weight
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits);
        counted.is_ok().then(|| Held {
            all: self.clone(),
            weight: size,
        })
    }

    async fn wait<T>(&self, attempt: impl Fn(&Self) -> Option<T>) -> T {
        if let Some(got) = attempt(self) {
            return got;
        }
        let _waiting = (self.0.pressure.wait(), Waiting::begin(&self.0));
        loop {
            let mut taken = std::pin::pin!(self.0.taken.notified());
            // What is taken after this wakes it.
            taken.as_mut().enable();
            if let Some(got) = attempt(self) {
                return got;
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
        self.0.weight.load(Ordering::SeqCst) < ANSWERS_BUDGET
    }
}

impl Held {
    /// Whether there is room for one of that size.
    pub(crate) fn has_room_for(&self, size: usize) -> bool {
        size <= self.weight
    }

    /// Who waits for it to be taken.
    pub(crate) fn pressure(&self) -> &Pressure {
        &self.all.0.pressure
    }
}

/// Somebody waits as long as this is held.
struct Waiting<'a>(&'a Outstanding);

impl<'a> Waiting<'a> {
    fn begin(all: &'a Outstanding) -> Self {
        all.waiting.fetch_add(1, Ordering::SeqCst);
        Self(all)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let all = &self.all.0;
        all.weight.fetch_sub(self.weight, Ordering::SeqCst);
        // Who comes to wait after this look has looked for room after what was given back here.
        if all.waiting.load(Ordering::SeqCst) > 0 {
            all.taken.notify_waiters();
        }
    }
}

#[cfg(test)]
impl Answers {
    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    /// What is held.
    pub(crate) fn weight(&self) -> usize {
        self.0.weight.load(Ordering::Acquire)
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

    #[tokio::test(start_paused = true)]
    async fn what_is_large_waits_until_all_of_it_fits_or_it_is_the_only_one() {
        let answers = Answers::default();
        let most = ANSWERS_BUDGET / 4 * 3;
        let first = answers.room(most).await;
        for too_large in [most, 2 * ANSWERS_BUDGET] {
            let waited = timeout(Duration::from_secs(60), answers.room(too_large)).await;
            assert!(waited.is_err(), "{too_large} fits");
            assert_eq!(answers.weight(), most);
        }
        // It is no reason for others to wait, who are answered with less.
        answers.admit().await;
        drop(answers.room(ANSWERS_BUDGET - most).await);
        let waiting = tokio::spawn({
            let answers = answers.clone();
            async move { answers.room(2 * ANSWERS_BUDGET).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        let only = waiting.await.expect("it goes on");
        assert!(only.has_room_for(2 * ANSWERS_BUDGET));
        drop(only);
        assert_eq!(answers.weight(), 0);
    }
}
