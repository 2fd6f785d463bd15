//! How long an endpoint takes to answer, from samples at any rate.

use std::time::Duration;

use crate::Moment;
use crate::signal::{Signal, decay};

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;

/// How fast the past is forgotten: after this long without a sample like it, e^-1 of it is left.
/// Finagle's default.
const DECAY_MS: f32 = 10_000.0;

/// Exponentially weighted moving averages over time rather than over samples (Finagle's
/// `PeakEwma`): a burst of fast answers counts as one moment.
#[derive(Debug, Default)]
pub struct Latency {
    mean: Signal,
    peak: Signal,
}

/// Which of the two a policy reads, and so which is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The moving average.
    Mean,
    /// The average that a slower answer lifts at once, and faster ones lower by and by.
    Peak,
}

impl Latency {
    /// Notes an answer that took `took`.
    pub(crate) fn note(&self, kind: Kind, took: Duration, now: Moment) {
        let sample = took.as_secs_f32() * 1_000.0;
        self.signal(kind).update(now, |average, age| {
            let lifts = kind == Kind::Peak && sample > average;
            if lifts || average == 0.0 {
                return Some(sample);
            }
            // Samples of one moment share its weight: one millisecond's.
            let kept = (-(age.max(1) as f32) / DECAY_MS).exp();
            Some(average * kept + sample * (1.0 - kept))
        });
    }

    /// The average in milliseconds as it counts now: 0 where nothing is known, or it is forgotten.
    #[inline]
    pub(crate) fn read(&self, kind: Kind, now: Moment) -> f32 {
        let (average, age) = self.signal(kind).raw(now);
        decay(average, age)
    }

    /// The moving average, as far as it is kept; none where nothing is known of now.
    pub fn mean(&self, now: Moment) -> Option<Duration> {
        let mean = self.read(Kind::Mean, now);
        (mean > 0.0).then(|| Duration::from_secs_f32(mean / 1_000.0))
    }

    fn signal(&self, kind: Kind) -> &Signal {
        match kind {
            Kind::Mean => &self.mean,
            Kind::Peak => &self.peak,
        }
    }
}
