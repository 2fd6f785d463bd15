//! How often something happened within the last seconds, counted by all threads without a lock.

use std::cmp;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count for each of the last `N` seconds. Seconds are numbered from an origin of the caller's.
#[derive(Debug)]
pub(crate) struct SlidingCount<const N: usize>([Second; N]);

/// What happened in one second: its number in the upper half, how often in the lower. One word, so
/// that no count is ever taken for that of another second. Relaxed throughout: nothing else is
/// published by it.
#[derive(Debug, Default)]
struct Second(AtomicU64);

impl<const N: usize> SlidingCount<N> {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Second::default()))
    }

    /// Counts one.
    pub(crate) fn add(&self, now: u32) {
        if let Some(second) = self.second(now) {
            second.add(now);
        }
    }

    /// Takes one back that was counted in the same second.
    pub(crate) fn remove(&self, now: u32) {
        if let Some(second) = self.second(now) {
            second.remove(now);
        }
    }

    /// How often within the `N` seconds that end with `now`.
    pub(crate) fn sum(&self, now: u32) -> u64 {
        self.sum_since(0, now)
    }

    /// The same, from the second `since` on.
    pub(crate) fn sum_since(&self, since: u32, now: u32) -> u64 {
        let first = since.max(now.saturating_sub(N as u32 - 1));
        self.0.iter().map(|second| second.count(first, now)).sum()
    }

    fn second(&self, now: u32) -> Option<&Second> {
        self.0.get(now as usize % N)
    }
}

impl Second {
    fn add(&self, now: u32) {
        self.update(|second, count| match second.cmp(&now) {
            cmp::Ordering::Equal => Some((now, count.saturating_add(1))),
            cmp::Ordering::Less => Some((now, 1)),
            // This thread has been held up for a whole window: what it notes no longer counts.
            cmp::Ordering::Greater => None,
        });
    }

    fn remove(&self, now: u32) {
        self.update(|second, count| (second == now).then(|| (now, count.saturating_sub(1))));
    }

    /// How often, if it was between these two, both included.
    fn count(&self, first: u32, last: u32) -> u64 {
        let (second, count) = unpack(self.0.load(Ordering::Relaxed));
        match (first..=last).contains(&second) {
            true => u64::from(count),
            false => 0,
        }
    }

    fn update(&self, step: impl Fn(u32, u32) -> Option<(u32, u32)>) {
        let packed = |word| {
            let (second, count) = unpack(word);
            step(second, count).map(|(second, count)| u64::from(second) << 32 | u64::from(count))
        };
        // An error is a step that wanted no change.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, packed);
    }
}

fn unpack(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
