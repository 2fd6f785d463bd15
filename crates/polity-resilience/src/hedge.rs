//! When to send a request a second time although the first may still be answered.
//!
//! What is slower than nearly all others is slow by chance more often than by its own making: it met
//! a pause, a full queue, a lost packet. A second one elsewhere is then quicker than the rest of the
//! wait (Dean and Barroso, "The Tail at Scale", 2013: after the 95th percentile, at most a few percent
//! more load). A [`RetryBudget`] keeps it at that where everything has become slow, and whoever asks
//! sees to it that only what may be carried out twice is sent twice.

mod latency;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::RetryBudget;
use latency::Latencies;

/// From one [`Hedge::advance`] to the next, about. Samples lose an eighth of their weight in each: half
/// of it in five seconds.
pub const PERIOD: Duration = Duration::from_secs(1);

/// With fewer samples, a quantile is chance.
pub const MIN_SAMPLES: u64 = 100;

/// The least that is waited where a quantile says how long. What is answered faster is slowed by a timer's
/// or a scheduler's turn, which a second one would wait for too.
pub const FLOOR: Duration = Duration::from_millis(5);

const NEVER: u64 = u64::MAX;

/// When a second one is sent, and how many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How long an answer is waited for before.
    pub after: After,
    /// Second ones as a share of requests.
    pub budget: f64,
}

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum After {
    /// As long as this share of requests of late took to be answered, and at least [`FLOOR`]: 0.95 for p95.
    Quantile(f64),
    /// So long, from the first request on.
    Fixed(Duration),
}

impl Default for Settings {
    /// That of the paper, with a budget of twice what becomes of it where nothing is amiss.
    fn default() -> Self {
        Self {
            after: After::Quantile(0.95),
            budget: 0.1,
        }
    }
}

/// A service's hedging, shared by all threads without a lock.
#[derive(Debug)]
pub struct Hedge {
    settings: Settings,
    latencies: Latencies,
    /// Microseconds; read by every request, written now and then.
    after: AtomicU64,
    budget: RetryBudget,
}

impl Hedge {
    /// One that has seen nothing, and so, where it has to know, sends nothing twice. Times given later are
    /// counted from `origin`.
    pub fn new(settings: Settings, origin: Instant) -> Self {
        let after = match settings.after {
            After::Quantile(_) => NEVER,
            After::Fixed(after) => micros(after),
        };
        Self {
            settings,
            latencies: Latencies::default(),
            after: AtomicU64::new(after),
            budget: RetryBudget::new(settings.budget, 0, origin),
        }
    }

    /// Notes a request.
    pub fn note_request(&self, now: Instant) {
        self.budget.note_request(now);
    }

    /// Notes how long a request took to be answered, counted from its first attempt. Where the second
    /// answered, that is less than the first would have taken, but more than it was waited for: the
    /// quantile is the same for it.
    pub fn note_answer(&self, latency: Duration) {
        self.latencies.note(latency);
    }

    /// How long to wait for an answer before a second request is sent; none while too little is
    /// known.
    pub fn after(&self) -> Option<Duration> {
        let after = self.after.load(Ordering::Relaxed);
        (after != NEVER).then(|| Duration::from_micros(after))
    }

    /// Whether a second one may be sent now; if so it is counted.
    pub fn try_send(&self, now: Instant) -> bool {
        self.after().is_some() && self.budget.try_retry(now)
    }

    /// Looks at what was measured; to be called every [`PERIOD`], from one place.
    pub fn advance(&self) {
        let After::Quantile(share) = self.settings.after else {
            return;
        };
        let (samples, quantile) = self.latencies.quantile(share);
        let known = quantile.filter(|_| samples >= MIN_SAMPLES);
        let after = known.map_or(NEVER, |after| micros(after.max(FLOOR)));
        self.after.store(after, Ordering::Relaxed);
        self.latencies.decay();
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(NEVER)
}
