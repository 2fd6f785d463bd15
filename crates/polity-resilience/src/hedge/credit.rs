//! Whether second requests are worth what they cost: by how many of them win.

use std::sync::atomic::{AtomicI64, Ordering};

/// What a second request costs.
const COST: i64 = 10;

/// What one that wins brings: they pay for themselves where two of five do. Where service times are
/// exponential, one that is begun at once wins half of the races; one that stands in line first wins less, and
/// makes the line longer for all.
const WIN: i64 = 25;

/// What there is at first, and the most that is kept: enough for 20 that are lost in a row, or on their way at
/// once.
const MOST: i64 = 20 * COST;

/// What second requests have earned, shared by all threads without a lock.
#[derive(Debug)]
pub(super) struct Credit(AtomicI64);

impl Default for Credit {
    fn default() -> Self {
        Self(AtomicI64::new(MOST))
    }
}

impl Credit {
    /// Whether there is enough for one.
    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= COST
    }

    /// Takes the cost of one. Of two threads at the last, both may: one is owed then.
    pub(super) fn take(&self) {
        self.0.fetch_sub(COST, Ordering::Relaxed);
    }

    /// One has won.
    pub(super) fn note_win(&self) {
        let added = |left: i64| (left < MOST).then(|| (left + WIN).min(MOST));
        // An error is that there was enough already.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }
}
