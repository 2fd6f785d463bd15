//! How many retries a service may be given on top of its requests.

use std::time::Instant;

use crate::sliding::SlidingCount;

#[cfg(test)]
#[path = "retry_budget_tests.rs"]
mod tests;

/// How far back requests count, in seconds: long enough for one instance's death to be made good at
/// once, short enough that a quiet minute does not pay for a storm.
pub const WINDOW: usize = 10;

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
    requests: SlidingCount<WINDOW>,
    retries: SlidingCount<WINDOW>,
}

impl RetryBudget {
    /// A budget that allows `ratio` retries per request (0.2 is 20%), and `floor_per_second` more.
    /// Times given later are counted from `origin`.
    pub fn new(ratio: f64, floor_per_second: u32, origin: Instant) -> Self {
        Self {
            // Not a number counts as nothing.
            ratio: ratio.max(0.0),
            floor_per_second,
            origin,
            requests: SlidingCount::new(),
            retries: SlidingCount::new(),
        }
    }

    /// Notes a request; its retries are not requests.
    pub fn note_request(&self, now: Instant) {
        let second = self.second(now);
        self.requests.add(second);
    }

    /// Whether a retry may be made now; if so it is counted.
    pub fn try_retry(&self, now: Instant) -> bool {
        let second = self.second(now);
        // Counted before the sum is taken: of two threads at the last retry neither may get it, but
        // never both.
        self.retries.add(second);
        let floor = f64::from(self.floor_per_second) * WINDOW as f64;
        let allowed = self.requests.sum(second) as f64 * self.ratio + floor;
        let granted = self.retries.sum(second) as f64 <= allowed;
        if !granted {
            self.retries.remove(second);
        }
        granted
    }

    /// Wraps after 136 years.
    fn second(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.origin).as_secs() as u32
    }
}
