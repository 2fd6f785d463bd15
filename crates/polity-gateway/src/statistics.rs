//! How many requests, how many failed, how long they took: counted on the data plane, summed up on the control side.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;

/// Buckets of a power of two: a bucket is at most an eighth of its value wide.
const LINEAR: u64 = 8;

/// Up to 2^27 microseconds, over two minutes; what takes longer counts as that.
const POWERS: u64 = 27;

const BUCKETS: usize = ((POWERS - 2) * LINEAR) as usize;

/// How far back rates and percentiles look, at least; at most twice as far.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// Counts of one service or instance, shared by all threads. All relaxed: nothing else is
/// published by them. On cache lines of their own, as they are written by every request.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Statistics {
    requests: AtomicU64,
    errors: AtomicU64,
    latency: Box<[AtomicU64]>,
    /// Control side only: what the counts were up to two windows ago.
    marks: Mutex<Marks>,
}

#[derive(Debug)]
struct Marks {
    older: Mark,
    newer: Mark,
}

#[derive(Debug, Clone)]
struct Mark {
    at: Instant,
    requests: u64,
    errors: u64,
    latency: Box<[u64]>,
}

/// What a service or an instance does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Requests since the start.
    pub requests: u64,
    /// Of these, those that failed: 5xx answers, and no answer.
    pub errors: u64,
    /// Requests that are there right now.
    pub in_flight: u64,
    /// Requests a second, over the last ten to twenty.
    pub requests_per_second: f64,
    /// Failed requests a second, over the same time.
    pub errors_per_second: f64,
    /// What 99 of 100 requests stayed below over the same time; none without requests.
    pub p99: Option<Duration>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    Error,
}

impl Statistics {
    pub(crate) fn new(now: Instant) -> Self {
        let start = Mark {
            at: now,
            requests: 0,
            errors: 0,
            latency: vec![0; BUCKETS].into(),
        };
        Self {
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            latency: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            marks: Mutex::new(Marks {
                older: start.clone(),
                newer: start,
            }),
        }
    }

    /// Counts one request.
    pub(crate) fn note(&self, ending: Ending, took: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if ending == Ending::Error {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(count) = self.latency.get(bucket(took)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Moves the window on, if it is time.
    pub(crate) fn rotate(&self, now: Instant) {
        let mut marks = self
            .marks
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        if now.saturating_duration_since(marks.newer.at) >= WINDOW {
            let fresh = self.mark(now);
            marks.older = std::mem::replace(&mut marks.newer, fresh);
        }
    }

    /// Sums up.
    pub(crate) fn summary(&self, now: Instant, in_flight: u64) -> Summary {
        let since = {
            let marks = self
                .marks
                .lock()
                .unwrap_or_else(|broken| broken.into_inner());
            marks.older.clone()
        };
        let current = self.mark(now);
        // Just after the start there is less than a window to look at, but never nothing.
        let seconds = now
            .saturating_duration_since(since.at)
            .as_secs_f64()
            .max(1.0);
        let counts = current.latency.iter().zip(&since.latency);
        let counts: Vec<u64> = counts
            .map(|(now, then)| now.saturating_sub(*then))
            .collect();
        Summary {
            requests: current.requests,
            errors: current.errors,
            in_flight,
            requests_per_second: current.requests.saturating_sub(since.requests) as f64 / seconds,
            errors_per_second: current.errors.saturating_sub(since.errors) as f64 / seconds,
            p99: percentile(&counts, 0.99),
        }
    }

    fn mark(&self, at: Instant) -> Mark {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Mark {
            at,
            requests: load(&self.requests),
            errors: load(&self.errors),
            latency: self.latency.iter().map(load).collect(),
        }
    }
}

/// The bucket of a duration: exact below [`LINEAR`] microseconds, then eight to a power of two.
fn bucket(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros < LINEAR {
        return micros as usize;
    }
    let power = u64::from(micros.ilog2());
    let place = (micros >> (power - 3)) - LINEAR;
    (((power - 2) * LINEAR + place) as usize).min(BUCKETS - 1)
}

/// The least duration, in microseconds, that is above all of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < LINEAR {
        return bucket + 1;
    }
    let power = bucket / LINEAR + 2;
    (LINEAR + bucket % LINEAR + 1) << (power - 3)
}

fn percentile(counts: &[u64], share: f64) -> Option<Duration> {
    let total: u64 = counts.iter().sum();
    let rank = (total as f64 * share).ceil() as u64;
    let mut seen = 0;
    let found = counts.iter().position(|count| {
        seen += count;
        seen >= rank && rank > 0
    });
    found.map(|bucket| Duration::from_micros(upper_bound(bucket)))
}
