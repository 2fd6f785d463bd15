//! How many retries a service may be given on top of its requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[cfg(test)]
#[path = "retry_budget_tests.rs"]
mod tests;

/// How far back requests count, in seconds: long enough for one instance's death to be made good at
/// once, short enough that a quiet minute does not pay for a storm.
pub const WINDOW: u64 = 10;

/// Retries as a share of requests, over the last [`WINDOW`] seconds, and a floor for services with
/// few (Linkerd's design: "Retries and Timeouts", and Finagle's `RetryBudget` before it).
///
/// A limit for each request (three tries) triples the load on a service just when it cannot bear
/// it; a share of all requests bounds the whole. Shared by all threads without a lock.
#[derive(Debug)]
pub struct RetryBudget {
    ratio: f64,
    floor_per_second: u32,
    origin: Instant,
    requests: [Second; WINDOW as usize],
    retries: [Second; WINDOW as usize],
}

/// What happened in one second: its number since the origin in the upper half, how often in the lower.
/// One word, so that no count is ever taken for that of another second. Relaxed throughout: nothing
/// else is published by it.
#[derive(Debug, Default)]
struct Second(AtomicU64);

impl RetryBudget {
    /// A budget that allows `ratio` retries per request (0.2 is 20%), and `floor_per_second` more.
    /// Times given later are counted from `origin`.
    pub fn new(ratio: f64, floor_per_second: u32, origin: Instant) -> Self {
        Self {
            // Not a number counts as nothing.
            ratio: ratio.max(0.0),
            floor_per_second,
            origin,
            requests: Default::default(),
            retries: Default::default(),
        }
    }

    /// Notes a request; its retries are not requests.
    pub fn note_request(&self, now: Instant) {
        let second = self.second(now);
        slot(&self.requests, second).add(second);
    }

    /// Whether a retry may be made now; if so it is counted.
    pub fn try_retry(&self, now: Instant) -> bool {
        let second = self.second(now);
        let retries = slot(&self.retries, second);
        // Counted before the sum is taken: of two threads at the last retry neither may get it, but
        // never both.
        retries.add(second);
        let floor = f64::from(self.floor_per_second) * WINDOW as f64;
        let allowed = sum(&self.requests, second) as f64 * self.ratio + floor;
        let granted = sum(&self.retries, second) as f64 <= allowed;
        if !granted {
            retries.remove(second);
        }
        granted
    }

    /// Wraps after 136 years.
    fn second(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.origin).as_secs() as u32
    }
}

fn slot(window: &[Second; WINDOW as usize], second: u32) -> &Second {
    &window[(u64::from(second) % WINDOW) as usize]
}

fn sum(window: &[Second; WINDOW as usize], now: u32) -> u64 {
    window.iter().map(|second| second.count(now)).sum()
}

impl Second {
    fn add(&self, now: u32) {
        self.update(|second, count| match second.cmp(&now) {
            std::cmp::Ordering::Equal => Some((now, count.saturating_add(1))),
            std::cmp::Ordering::Less => Some((now, 1)),
            // This thread has been held up for a whole window: what it notes no longer counts.
            std::cmp::Ordering::Greater => None,
        });
    }

    fn remove(&self, now: u32) {
        self.update(|second, count| (second == now).then(|| (now, count.saturating_sub(1))));
    }

    /// How often, if it was within the window that ends with `now`.
    fn count(&self, now: u32) -> u64 {
        let (second, count) = unpack(self.0.load(Ordering::Relaxed));
        match now.checked_sub(second) {
            Some(age) if u64::from(age) < WINDOW => u64::from(count),
            _ => 0,
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
