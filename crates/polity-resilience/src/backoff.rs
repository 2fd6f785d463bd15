//! How long to wait before trying again.

use std::time::Duration;

use polity_core::Rng;

/// Exponential backoff with full jitter: attempt `n` waits for a uniform draw below
/// `base * 2^n`, at most `cap` (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
/// 2015). Drawing from the whole range spreads those that failed together; adding a little noise to
/// a growing delay would have them come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// A backoff whose first delay is below `base` and whose every delay is below `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            attempt: 0,
        }
    }

    /// How long to wait now, after one more failure.
    pub fn next(&mut self, rng: &mut dyn Rng) -> Duration {
        let bound = self.bound();
        self.attempt = self.attempt.saturating_add(1);
        bound.mul_f64(rng.unit())
    }

    /// What the next delay is below.
    pub fn bound(&self) -> Duration {
        let factor = 1u32.checked_shl(self.attempt).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// Delays given since the start or the last [`reset`](Self::reset).
    pub fn attempts(&self) -> u32 {
        self.attempt
    }

    /// What was waited for has recovered: the next failure is the first.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use polity_core::SplitMix64;
    use proptest::prelude::*;

    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(30);

    #[test]
    fn the_bound_doubles_up_to_the_cap_and_starts_over() {
        let mut backoff = Backoff::new(BASE, CAP);
        let mut rng = SplitMix64::new(1);
        let bounds: Vec<u128> = (0..11)
            .map(|_| {
                let bound = backoff.bound().as_millis();
                backoff.next(&mut rng);
                bound
            })
            .collect();
        assert_eq!(
            bounds,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000
            ]
        );
        assert_eq!(backoff.attempts(), 11);
        backoff.reset();
        assert_eq!((backoff.bound(), backoff.attempts()), (BASE, 0));
    }

    #[test]
    fn delays_are_spread_over_the_whole_range() {
        let mut rng = SplitMix64::new(2);
        let delays = (0..1_000).map(|_| Backoff::new(BASE, CAP).next(&mut rng).as_millis());
        let mut tenths = [0; 10];
        delays.for_each(|delay| tenths[(delay / 10) as usize] += 1);
        assert!(tenths.iter().all(|count| *count > 60), "{tenths:?}");
    }

    proptest! {
        #[test]
        fn no_delay_passes_its_bound_however_many_failures(
            base in 0u64..=u64::MAX / 2, cap in 0u64..=u64::MAX / 2, failures in 0usize..70, seed in any::<u64>(),
        ) {
            let cap = Duration::from_millis(cap);
            let mut backoff = Backoff::new(Duration::from_millis(base), cap);
            let mut rng = SplitMix64::new(seed);
            let mut last = Duration::ZERO;
            for _ in 0..failures {
                let bound = backoff.bound();
                prop_assert!(last <= bound && bound <= cap);
                prop_assert!(backoff.next(&mut rng) <= bound);
                last = bound;
            }
        }
    }
}
