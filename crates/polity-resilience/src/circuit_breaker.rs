//! Leaves alone for a while what keeps failing, and finds out carefully whether it is well again.
//!
//! Admitting, rejecting and probing are also known as closed, open and half-open (Nygard, "Release
//! It!"). For one endpoint it saves the time until each attempt fails; for a whole service also the
//! work of callers that would only wait, and the service from requests that nobody waits for any more.
//!
//! A request counts for the phase that it began in, and for no other: one from before the failures
//! that ends long after them says nothing of how the service is now. That is the generation's doing.
//!
//! The phase is one word, so that threads never see half a change. While nothing fails, a request
//! reads it twice and writes nothing, but for the counts of a [rate](Rate) where one is set.

#[cfg(test)]
mod model_tests;
mod phase;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use polity_core::Rng;

use crate::sliding::SlidingCount;
use phase::{Failure, Phase, Word, second};

/// How far back a failure rate looks, in seconds.
pub const RATE_WINDOW: usize = 10;

/// A rejection is up to this much longer than its time, so that gateways whose breakers tripped
/// together do not probe together.
const JITTER: f64 = 0.25;

/// The most that the counts of a breaker go up to.
pub const MAX_COUNT: u16 = phase::MAX_COUNT;

/// When a breaker trips, and how it recovers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// So many failures in a row trip it; none for any number. At most [`MAX_COUNT`].
    pub consecutive_failures: Option<u16>,
    /// So large a share of failures trips it; none for any.
    pub rate: Option<Rate>,
    /// How long it rejects, the first time. Each further trip doubles it; a trip is forgotten for
    /// each such time without one. At least a second, or failures before the trip could count again.
    pub base: Duration,
    /// How long it rejects, at most.
    pub cap: Duration,
    /// Requests that may be there at once while it probes; at least 1, at most [`MAX_COUNT`].
    pub probes: u16,
    /// So many of them must succeed, and none fail; at least 1, at most [`MAX_COUNT`].
    pub successes: u16,
}

/// A share of failures over the last [`RATE_WINDOW`] seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Of requests that ended; from this on it trips.
    pub share: f64,
    /// With fewer requests it says nothing.
    pub requests: u32,
}

/// Shared by all threads without a lock.
#[derive(Debug)]
pub struct CircuitBreaker {
    settings: Settings,
    origin: Instant,
    /// Read by every request, written by few: apart from the counts that every request writes.
    word: Padded,
    requests: SlidingCount<RATE_WINDOW>,
    failures: SlidingCount<RATE_WINDOW>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

/// What a breaker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Lets everything through.
    Admitting,
    /// Lets nothing through, for so long.
    Rejecting(Reason, Duration),
    /// Lets a few through, to see.
    Probing(Reason),
}

/// Why a breaker tripped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too many in a row failed.
    ConsecutiveFailures,
    /// Too large a share failed.
    FailureRate,
    /// It had tripped before, and a probe failed.
    FailedProbe,
}

/// A breaker lets a request not through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the circuit breaker is open: {reason}")]
pub struct Rejected {
    /// Why it tripped.
    pub reason: Reason,
    /// How long it goes on, at least; none while it probes.
    pub remaining: Option<Duration>,
}

/// What a request's end did to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It tripped, and rejects for so long.
    Tripped(Reason, Duration),
    /// It admits again.
    Recovered,
}

/// A request that was let through. Dropped without a word of how it ended, it counts for nothing,
/// and gives back its place if it was a probe.
///
/// `H` is how the caller holds the breaker. Its `as_ref` must always give the same one.
#[derive(Debug)]
pub struct Permit<H: AsRef<CircuitBreaker>> {
    holder: H,
    generation: u16,
    /// Whether it holds a place among the probes.
    probe: bool,
}

impl CircuitBreaker {
    /// One that admits. Times given later are counted from `origin`.
    pub fn new(settings: Settings, origin: Instant) -> Self {
        Self {
            settings,
            origin,
            word: Padded::default(),
            requests: SlidingCount::new(),
            failures: SlidingCount::new(),
        }
    }

    /// What it does.
    pub fn state(&self, now: Instant) -> State {
        let word = self.load();
        match (word.phase, word.rejects_for(self.millis(now))) {
            (Phase::Admitting { .. }, _) => State::Admitting,
            (Phase::Rejecting { reason, .. }, Some(left)) => State::Rejecting(reason, left),
            (Phase::Rejecting { reason, .. } | Phase::Probing { reason, .. }, _) => {
                State::Probing(reason)
            }
        }
    }

    /// Whether it would let a request through, as far as can be said without trying.
    pub fn admits(&self, now: Instant) -> bool {
        self.rejection(now).is_none()
    }

    /// Why it would not; none if it would.
    pub fn rejection(&self, now: Instant) -> Option<Rejected> {
        let (word, now) = (self.load(), self.millis(now));
        rejection(word, word.enter(now, &self.settings), now)
    }

    fn succeeded(&self, generation: u16, now: Instant) -> Option<Change> {
        let (now, settings) = (self.millis(now), &self.settings);
        self.count(generation, now, &[&self.requests]);
        let (before, after) = self.update(|word| word.succeeded(generation, now, settings));
        (before.generation != after.generation).then_some(Change::Recovered)
    }

    fn failed(&self, generation: u16, now: Instant, rng: &mut dyn Rng) -> Option<Change> {
        let (now, settings) = (self.millis(now), &self.settings);
        self.count(generation, now, &[&self.requests, &self.failures]);
        let stretch = 1.0 + JITTER * rng.unit();
        let (before, after) = self.update(|word| {
            let failure = Failure {
                is_one_too_many: self.is_over_rate(word, now),
                stretch,
            };
            word.failed(generation, now, failure, settings)
        });
        match after.phase {
            Phase::Rejecting { reason, .. } if before.generation != after.generation => {
                let period = after.rejects_for(now).unwrap_or_default();
                Some(Change::Tripped(reason, period))
            }
            _ => None,
        }
    }

    /// Counts toward the rate what began in the phase there is now, if that is one of admitting.
    fn count(&self, generation: u16, now: u64, counts: &[&SlidingCount<RATE_WINDOW>]) {
        if self.settings.rate.is_none() {
            return;
        }
        let word = self.load();
        if word.generation == generation && word.admits() {
            counts.iter().for_each(|count| count.add(second(now)));
        }
    }

    fn is_over_rate(&self, word: Word, now: u64) -> bool {
        let (Some(rate), Phase::Admitting { since, .. }) = (self.settings.rate, word.phase) else {
            return false;
        };
        let requests = self.requests.sum_since(since, second(now));
        let failures = self.failures.sum_since(since, second(now));
        requests >= u64::from(rate.requests) && failures as f64 >= rate.share * requests as f64
    }

    fn load(&self) -> Word {
        Word::unpack(self.word.0.load(Ordering::Relaxed))
    }

    /// Takes a step, and gives the words before and after it. One that leads nowhere writes nothing.
    fn update(&self, step: impl Fn(Word) -> Word) -> (Word, Word) {
        let mut packed = self.word.0.load(Ordering::Relaxed);
        loop {
            let before = Word::unpack(packed);
            let after = step(before);
            if after == before {
                return (before, after);
            }
            let (word, relaxed) = (&self.word.0, Ordering::Relaxed);
            match word.compare_exchange_weak(packed, after.pack(), relaxed, relaxed) {
                Ok(_) => return (before, after),
                Err(changed) => packed = changed,
            }
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_millis() as u64
    }
}

impl AsRef<CircuitBreaker> for CircuitBreaker {
    fn as_ref(&self) -> &CircuitBreaker {
        self
    }
}

impl<H: AsRef<CircuitBreaker>> Permit<H> {
    /// Lets a request through.
    ///
    /// # Errors
    /// When the breaker rejects, or has as many probes as it wants.
    pub fn begin(holder: H, now: Instant) -> Result<Self, Rejected> {
        let breaker = holder.as_ref();
        let now = breaker.millis(now);
        let (before, after) = breaker.update(|word| word.enter(now, &breaker.settings));
        match rejection(before, after, now) {
            Some(rejected) => Err(rejected),
            None => Ok(Self {
                generation: after.generation,
                probe: after != before,
                holder,
            }),
        }
    }

    /// It went well.
    pub fn succeeded(mut self, now: Instant) -> Option<Change> {
        self.probe = false;
        self.holder.as_ref().succeeded(self.generation, now)
    }

    /// It failed.
    pub fn failed(self, now: Instant, rng: &mut dyn Rng) -> Option<Change> {
        // Its place, if it has one, goes with the phase that ends now.
        self.holder.as_ref().failed(self.generation, now, rng)
    }
}

impl<H: AsRef<CircuitBreaker>> Drop for Permit<H> {
    fn drop(&mut self) {
        if self.probe {
            let breaker = self.holder.as_ref();
            breaker.update(|word| word.left(self.generation));
        }
    }
}

/// Why a request that came at `before` was not let through, if it was not: it has changed nothing.
fn rejection(before: Word, after: Word, now: u64) -> Option<Rejected> {
    match after.phase {
        Phase::Rejecting { reason, .. } | Phase::Probing { reason, .. } if after == before => {
            Some(Rejected {
                reason,
                remaining: after.rejects_for(now),
            })
        }
        _ => None,
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConsecutiveFailures => "too many requests in a row have failed",
            Self::FailureRate => "too large a share of the requests has failed",
            Self::FailedProbe => "it still fails",
        })
    }
}
