//! How long answers took of late: a histogram that forgets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets to a power of two: one is at most an eighth of its value wide.
const STEPS: u64 = 8;

const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Up to 2^27 microseconds, over two minutes; what takes longer counts as that.
const POWERS: usize = 27;

const BUCKETS: usize = (POWERS - STEP_BITS as usize + 1) * STEPS as usize;

/// Shared by all threads. All relaxed: a sample that is lost to a decay that runs at the same time is
/// one of thousands.
#[derive(Debug)]
pub(super) struct Latencies(Box<[AtomicU64]>);

impl Default for Latencies {
    fn default() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Latencies {
    pub(super) fn note(&self, latency: Duration) {
        if let Some(count) = self.0.get(bucket(latency)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many samples there are, and what these shares of them stayed below; none without any.
    pub(super) fn quantiles<const N: usize>(
        &self,
        shares: [f64; N],
    ) -> (u64, [Option<Duration>; N]) {
        let counts: Vec<u64> = self
            .0
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        let quantile = |share: f64| {
            let rank = (total as f64 * share).ceil().max(1.0) as u64;
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            found.map(|bucket| Duration::from_micros(upper_bound(bucket)))
        };
        (total, shares.map(quantile))
    }

    /// Takes an eighth of the weight of what there is.
    pub(super) fn decay(&self) {
        for count in &self.0 {
            // What comes between the two is kept: only what was seen is taken away. Rounded up, so that
            // a last one goes too.
            let seen = count.load(Ordering::Relaxed);
            if seen > 0 {
                count.fetch_sub(seen.div_ceil(8), Ordering::Relaxed);
            }
        }
    }
}

/// The bucket of a duration: exact below [`STEPS`] microseconds, then so many to a power of two.
fn bucket(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let power = micros.max(STEPS).ilog2() - STEP_BITS;
    let place = (u64::from(power) * STEPS + (micros >> power)) as usize;
    place.min(BUCKETS - 1)
}

/// The least duration, in microseconds, that is above all of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let next = bucket as u64 + 1;
    let power = (next / STEPS).saturating_sub(1);
    (next - power * STEPS) << power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_holds_what_is_up_to_an_eighth_below_its_bound(micros in 0u64..1 << POWERS) {
            let bound = upper_bound(bucket(Duration::from_micros(micros)));
            prop_assert!(micros < bound);
            prop_assert!(bound <= micros + 1 + micros / STEPS, "{micros} {bound}");
            let next = bucket(Duration::from_micros(bound));
            prop_assert!(next == bucket(Duration::from_micros(micros)) + 1 || bound >> POWERS > 0);
        }
    }

    #[test]
    fn all_that_takes_longer_is_in_the_last_bucket() {
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
        assert_eq!(
            bucket(Duration::from_micros((1 << POWERS) - 1)),
            BUCKETS - 1
        );
        assert_eq!(upper_bound(BUCKETS - 1), 1 << POWERS);
    }

    #[test]
    fn what_is_not_renewed_is_forgotten() {
        let latencies = Latencies::default();
        (0..1_000).for_each(|_| latencies.note(Duration::from_millis(5)));
        for left in [875, 765, 669, 585, 511] {
            latencies.decay();
            assert_eq!(latencies.quantiles([0.5]).0, left);
        }
        (0..50).for_each(|_| latencies.decay());
        assert_eq!(latencies.quantiles([0.5]), (0, [None]));
    }
}
