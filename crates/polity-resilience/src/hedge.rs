//! When to send a request a second time although the first may still be answered.
//!
//! What is slower than nearly all others is slow by chance more often than by its own making: it met
//! a pause, a full queue, a lost packet. A second one elsewhere is then quicker than the rest of the
//! wait (Dean and Barroso, "The Tail at Scale", 2013: after the 95th percentile, at most a few percent
//! more load). A [`RetryBudget`] keeps it at that where everything has become slow, and whoever asks
//! sees to it that only what may be carried out twice is sent twice.
//!
//! Where the whole fleet is busy, what is slow waits in a line, and so would a second one: it makes the
//! line longer and nobody faster, and more are slow. Two things keep out of that. Second ones have to win
//! often enough to pay for themselves ([`credit`]), and none is sent while a usual answer (the median, which a few
//! ill instances do not move) takes much longer than it did in calmer times: over the last seconds, or in the last
//! [moment](recent).

mod credit;
mod latency;
mod recent;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::RetryBudget;
use credit::Credit;
use latency::Latencies;
use recent::Recent;

/// From one [`Hedge::advance`] to the next, about. Samples lose an eighth of their weight in each: half
/// of it in five seconds.
pub const PERIOD: Duration = Duration::from_secs(1);

/// With fewer samples, a quantile is chance.
pub const MIN_SAMPLES: u64 = 100;

/// The least that is waited where a quantile says how long. What is answered faster is slowed by a timer's
/// or a scheduler's turn, which a second one would wait for too.
pub const FLOOR: Duration = Duration::from_millis(5);

/// A fleet is crowded while the median is so many times that of calmer times. Where service times are
/// exponential, four workers on each instance make that of them at about 85 % load.
pub const CROWDED: f64 = 2.0;

/// What calmer times took is forgotten by so much with each [`PERIOD`]: whatever has become slower for good
/// is calm again after a few minutes.
const FORGETTING: f64 = 1.0 / 256.0;

/// Medians below this are taken for as much: what a scheduler adds is no crowd.
const UNDISTURBED: Duration = Duration::from_millis(1);

/// Second ones that are sent although too few win, as a share of requests.
const TRIALS: f64 = 0.005;

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
    recent: Recent,
    /// Microseconds; read by every request, written now and then.
    after: AtomicU64,
    /// The median of calmer times, in microseconds; at first none is known.
    calm: AtomicU64,
    is_crowded: AtomicBool,
    budget: RetryBudget,
    credit: Credit,
    /// For those that are sent although too few win, to see whether that is still so.
    trials: RetryBudget,
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
            recent: Recent::new(origin),
            after: AtomicU64::new(after),
            calm: AtomicU64::new(NEVER),
            is_crowded: AtomicBool::new(false),
            budget: RetryBudget::new(settings.budget, 0, origin),
            credit: Credit::default(),
            trials: RetryBudget::new(TRIALS, 0, origin),
        }
    }

    /// Notes a request.
    pub fn note_request(&self, now: Instant) {
        self.budget.note_request(now);
        self.trials.note_request(now);
    }

    /// Notes that a second one was answered first, or alone.
    pub fn note_win(&self) {
        self.credit.note_win();
    }

    /// Notes how long a request took to be answered, counted from its first attempt. Where the second
    /// answered, that is less than the first would have taken, but more than it was waited for: the
    /// quantile is the same for it.
    pub fn note_answer(&self, latency: Duration, now: Instant) {
        self.latencies.note(latency);
        let is_slow = micros(latency) as f64 > most_calm(self.calm.load(Ordering::Relaxed));
        self.recent.note(is_slow, now);
    }

    /// How long to wait for an answer before a second request is sent; none while too little is
    /// known.
    pub fn after(&self) -> Option<Duration> {
        let after = self.after.load(Ordering::Relaxed);
        (after != NEVER).then(|| Duration::from_micros(after))
    }

    /// Whether the fleet is so busy that a second one would only make it busier.
    pub fn is_crowded(&self, now: Instant) -> bool {
        self.is_crowded.load(Ordering::Relaxed) || self.recent.are_slow(now)
    }

    /// Whether a second one may be sent now; if so it is counted.
    pub fn try_send(&self, now: Instant) -> bool {
        if self.after().is_none() || self.is_crowded(now) {
            return false;
        }
        let pays = self.credit.is_there();
        let sent = (pays || self.trials.try_retry(now)) && self.budget.try_retry(now);
        if sent && pays {
            self.credit.take();
        }
        sent
    }

    /// Looks at what was measured; to be called every [`PERIOD`], from one place.
    pub fn advance(&self) {
        let share = match self.settings.after {
            After::Quantile(share) => share,
            After::Fixed(_) => 1.0,
        };
        let (samples, [quantile, median]) = self.latencies.quantiles([share, 0.5]);
        let is_known = samples >= MIN_SAMPLES;
        if let After::Quantile(_) = self.settings.after {
            let known = quantile.filter(|_| is_known);
            let after = known.map_or(NEVER, |after| micros(after.max(FLOOR)));
            self.after.store(after, Ordering::Relaxed);
        }
        let crowded = median.is_some_and(|median| is_known && self.is_above_calm(median));
        self.is_crowded.store(crowded, Ordering::Relaxed);
        self.latencies.decay();
    }

    /// Whether so long a median is one of a crowd; takes it up as that of calmer times if it is less.
    fn is_above_calm(&self, median: Duration) -> bool {
        let median = micros(median.max(UNDISTURBED));
        let before = self.calm.load(Ordering::Relaxed);
        let calm = match before {
            NEVER => median,
            known => median.min((known as f64 * (1.0 + FORGETTING)).ceil() as u64),
        };
        self.calm.store(calm, Ordering::Relaxed);
        median as f64 > most_calm(calm)
    }
}

/// What a usual answer may take before that is a crowd, where it took so long in calmer times.
fn most_calm(calm: u64) -> f64 {
    calm as f64 * CROWDED
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(NEVER)
}
