//! How long an endpoint takes to answer, from samples at any rate.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::Moment;
use crate::signal::{Signal, decay};

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;

/// How fast the past is forgotten: after this long without a sample like it, e^-1 of it is left.
/// Finagle's default.
const DECAY_MS: f32 = 10_000.0;

/// For so long the first answers are all of one occasion. They may have waited for a connection, for code or
/// a cache to warm, or for the processor that another start keeps busy.
const OCCASION_MS: u32 = 50;

/// How long one occasion's answers are taken for what an endpoint is like.
const IMPRESSION_MS: u32 = 500;

/// An exponentially weighted moving average over time rather than over samples (Finagle's
/// `PeakEwma`): a burst of fast answers counts as one moment.
#[derive(Debug, Default)]
pub struct Latency {
    average: Signal,
    /// The lower half of the moment of the first sample in it.
    since: AtomicU32,
}

/// Which average a policy wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One that is as fast either way.
    Mean,
    /// One that a slower answer lifts at once, and faster ones lower by and by.
    Peak,
}

impl Latency {
    /// Notes an answer that took `took`.
    pub(crate) fn note(&self, kind: Kind, took: Duration, now: Moment) {
        let sample = took.as_secs_f32() * 1_000.0;
        self.average.update(now, |average, age| {
            if decay(average, age) == 0.0 {
                self.since.store(now.0 as u32, Ordering::Relaxed);
                return Some(sample);
            }
            if kind == Kind::Peak && sample > average {
                return Some(sample);
            }
            if kind == Kind::Mean && self.is_old_impression(age, now) {
                return Some(sample);
            }
            // Samples of one moment share its weight: one millisecond's.
            let kept = (-(age.max(1) as f32) / self.window(now)).exp();
            Some(average * kept + sample * (1.0 - kept))
        });
    }

    /// Notes that an answer would have taken longer than `waited`: what is known to take longer anyway
    /// stays as it is.
    pub(crate) fn note_longer(&self, kind: Kind, waited: Duration, now: Moment) {
        if waited.as_secs_f32() * 1_000.0 > self.read(now) {
            self.note(kind, waited, now);
        }
    }

    /// What is forgotten in, in milliseconds. No longer than there have been samples: the first
    /// would count for as much as all of the next ten seconds together, and it says next to nothing.
    fn window(&self, now: Moment) -> f32 {
        (self.known_ms(now).max(1) as f32).min(DECAY_MS)
    }

    fn known_ms(&self, now: Moment) -> u32 {
        (now.0 as u32).wrapping_sub(self.since.load(Ordering::Relaxed))
    }

    /// Whether all that is known was learnt on one occasion, a while ago: the next answer says more.
    #[inline]
    pub(crate) fn is_impression(&self, now: Moment) -> bool {
        self.is_old_impression(self.average.raw(now).1, now)
    }

    #[inline]
    fn is_old_impression(&self, age: u32, now: Moment) -> bool {
        age > IMPRESSION_MS && self.known_ms(now) <= age + OCCASION_MS
    }

    /// The average in milliseconds as it counts now: 0 where nothing is known, or it is forgotten.
    #[inline]
    pub(crate) fn read(&self, now: Moment) -> f32 {
        self.average.decayed(now)
    }

    /// What so many answers take one after the other; none where nothing is known.
    #[inline]
    pub(crate) fn times(&self, count: u64, now: Moment) -> Option<f32> {
        self.average.times(count, now)
    }

    /// The average, as far as it is kept; none where nothing is known of now.
    pub fn average(&self, now: Moment) -> Option<Duration> {
        let average = self.read(now);
        (average > 0.0).then(|| Duration::from_secs_f32(average / 1_000.0))
    }
}
