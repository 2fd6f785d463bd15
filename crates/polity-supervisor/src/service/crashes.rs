//! When a failed instance is started again, and when it is called a crash loop.

use std::time::Duration;

use polity_core::Rng;
use tokio::time::Instant;

/// The bound of the first delay.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// The bound of every delay.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// An instance that was ready for this long has recovered, and its next failure is its first.
pub(crate) const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// So many failures in a row are a crash loop.
pub(crate) const CRASH_LOOP: u32 = 5;

/// One instance's failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Crashes {
    streak: u32,
    ready_since: Option<Instant>,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    /// How long to wait before the next start.
    pub(crate) delay: Duration,
    /// How many failures in a row this makes; from [`CRASH_LOOP`] on it is a crash loop.
    pub(crate) streak: u32,
}

impl Crashes {
    /// The instance passes its checks.
    pub(crate) fn ready(&mut self, now: Instant) {
        self.ready_since.get_or_insert(now);
    }

    /// It fails them: the minute of health starts anew.
    pub(crate) fn unready(&mut self) {
        self.ready_since = None;
    }

    /// It ended, or never became ready.
    pub(crate) fn failed(&mut self, now: Instant, rng: &mut impl Rng) -> Again {
        let ready_since = self.ready_since.take();
        if ready_since.is_some_and(|since| now - since >= HEALTHY_AFTER) {
            self.streak = 0;
        }
        let doublings = self.streak.min(BACKOFF_MAX.as_secs() as u32);
        let bound = BACKOFF_MIN.saturating_mul(1 << doublings.min(20));
        self.streak = self.streak.saturating_add(1);
        Again {
            // Full jitter: instances that failed together do not come back together.
            delay: bound.min(BACKOFF_MAX).mul_f64(rng.unit()),
            streak: self.streak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polity_core::SplitMix64;

    /// Draws nothing but its highest number.
    struct Highest;

    impl Rng for Highest {
        fn next_u64(&mut self) -> u64 {
            u64::MAX
        }
    }

    #[test]
    fn the_bound_doubles_from_a_tenth_of_a_second_to_half_a_minute() {
        let (mut crashes, now) = (Crashes::default(), Instant::now());
        let mut delays = std::iter::repeat_with(|| crashes.failed(now, &mut Highest).delay);
        for bound in [
            100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
        ] {
            let delay = delays.next().expect("there is no end to failing");
            assert_eq!(delay.as_secs_f64().mul_add(1000.0, 0.5) as u64, bound);
        }
        assert_eq!(delays.nth(100).map(|d| d.as_secs_f64().round()), Some(30.0));
    }

    #[test]
    fn the_delay_is_anywhere_below_the_bound() {
        let (mut crashes, now) = (Crashes::default(), Instant::now());
        let mut rng = SplitMix64::new(1);
        for _ in 0..20 {
            crashes.failed(now, &mut rng);
        }
        let delays: Vec<_> = (0..200)
            .map(|_| crashes.failed(now, &mut rng).delay)
            .collect();
        assert!(delays.iter().all(|delay| *delay < BACKOFF_MAX));
        assert!(delays.iter().any(|delay| *delay < BACKOFF_MAX / 10));
        assert!(delays.iter().any(|delay| *delay > BACKOFF_MAX * 9 / 10));
    }

    #[test]
    fn a_minute_of_health_and_no_less_is_forgiven() {
        let (mut crashes, start) = (Crashes::default(), Instant::now());
        let fail = |crashes: &mut Crashes, now| crashes.failed(now, &mut Highest).streak;
        assert_eq!(fail(&mut crashes, start), 1);
        crashes.ready(start);
        assert_eq!(fail(&mut crashes, start + HEALTHY_AFTER / 2), 2);
        crashes.ready(start);
        assert_eq!(fail(&mut crashes, start + HEALTHY_AFTER), 1);
        crashes.ready(start);
        crashes.unready();
        assert_eq!(fail(&mut crashes, start + HEALTHY_AFTER), 2);
    }
}
