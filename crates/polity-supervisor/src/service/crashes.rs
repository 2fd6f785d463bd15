//! When a failed instance is started again, and when it is called a crash loop.

use std::time::Duration;

use polity_core::Rng;
use polity_resilience::Backoff;
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
#[derive(Debug)]
pub(crate) struct Crashes {
    backoff: Backoff,
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
    pub(crate) fn new() -> Self {
        Self {
            backoff: Backoff::new(BACKOFF_MIN, BACKOFF_MAX),
            ready_since: None,
        }
    }

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
            self.backoff.reset();
        }
        Again {
            delay: self.backoff.next(rng),
            streak: self.backoff.attempts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polity_core::SplitMix64;

    fn fail(crashes: &mut Crashes, now: Instant) -> u32 {
        crashes.failed(now, &mut SplitMix64::new(1)).streak
    }

    #[test]
    fn a_minute_of_health_and_no_less_is_forgiven() {
        let (mut crashes, start) = (Crashes::new(), Instant::now());
        assert_eq!(fail(&mut crashes, start), 1);
        crashes.ready(start);
        assert_eq!(fail(&mut crashes, start + HEALTHY_AFTER / 2), 2);
        crashes.ready(start);
        assert_eq!(fail(&mut crashes, start + HEALTHY_AFTER), 1);
    }

    #[test]
    fn failed_checks_interrupt_the_minute_and_repeated_passes_do_not_restart_it() {
        let (mut crashes, start) = (Crashes::new(), Instant::now());
        assert_eq!(fail(&mut crashes, start), 1);
        crashes.ready(start);
        crashes.unready();
        crashes.ready(start + HEALTHY_AFTER / 2);
        assert_eq!(fail(&mut crashes, start + HEALTHY_AFTER), 2);
        crashes.ready(start);
        crashes.ready(start + HEALTHY_AFTER / 2);
        assert_eq!(fail(&mut crashes, start + HEALTHY_AFTER), 1);
    }
}
