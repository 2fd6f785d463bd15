//! Durations by the thousands in little room.

use std::time::Duration;

/// Buckets to each doubling: a quantile is off by less than 1%.
const PRECISION_BITS: u32 = 7;

/// How many durations fell into each of buckets that grow with what they hold (as in HdrHistogram).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
}

impl Histogram {
    pub(super) fn record(&mut self, duration: Duration) {
        let bucket = bucket(nanoseconds(duration));
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += duration;
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean, exactly; zero where there are none.
    pub fn mean(&self) -> Duration {
        match self.count {
            0 => Duration::ZERO,
            count => self.sum.div_f64(count as f64),
        }
    }

    /// What the share `q` (0 to 1) of them is not above; zero where there are none.
    pub fn quantile(&self, q: f64) -> Duration {
        let wanted = ((self.count as f64 * q).ceil() as u64).max(1);
        let mut below = 0;
        let found = self.buckets.iter().position(|bucket| {
            below += bucket;
            below >= wanted
        });
        found.map_or(Duration::ZERO, |bucket| {
            Duration::from_nanos(upper_end(bucket))
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Numbers of up to `PRECISION_BITS` + 1 bits have buckets of their own; of longer ones, only so
/// many bits are looked at.
fn bucket(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    let shift = bits.saturating_sub(PRECISION_BITS + 1);
    ((u64::from(shift) << PRECISION_BITS) + (value >> shift)) as usize
}

fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket >> PRECISION_BITS).saturating_sub(1);
    let leading = bucket - (shift << PRECISION_BITS);
    ((leading + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_hundredth() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|us| histogram.record(Duration::from_micros(us)));
        for (q, expected) in [
            (0.0, 1e-6),
            (0.5, 0.05),
            (0.99, 0.099),
            (0.999, 0.0999),
            (1.0, 0.1),
        ] {
            let ratio = histogram.quantile(q).as_secs_f64() / expected;
            assert!((1.0..1.01).contains(&ratio), "{q}: {ratio}");
        }
        assert_eq!(histogram.mean(), Duration::from_nanos(50_000_500));
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn buckets_follow_upon_each_other_without_a_gap() {
        let mut next = 0;
        for place in 0..3_000 {
            assert_eq!(bucket(next), place, "{next}");
            assert_eq!(bucket(upper_end(place)), place);
            next = upper_end(place) + 1;
        }
    }
}
