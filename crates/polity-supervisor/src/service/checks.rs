//! What a passed or failed check means for an instance: unready is not dead.

use std::time::Duration;

use tokio::time::Instant;

/// How often an instance that fails its checks is looked at: it should return as soon as it can.
pub(crate) const RECHECK: Duration = Duration::from_millis(250);

/// The checks of an instance that was ready once.
#[derive(Debug)]
pub(crate) struct Checks {
    interval: Duration,
    restart_after: Duration,
    failing_since: Option<Instant>,
}

/// What to do after a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing changed.
    Same,
    /// It began to fail: no more requests.
    Leave,
    /// It passes again.
    Return,
    /// It has failed for so long that only a restart may help.
    Restart,
}

impl Checks {
    pub(crate) fn new(interval: Duration, restart_after: Duration) -> Self {
        Self {
            interval,
            restart_after,
            failing_since: None,
        }
    }

    /// From now to the next check.
    pub(crate) fn pause(&self) -> Duration {
        match self.failing_since {
            Some(_) => self.interval.min(RECHECK),
            None => self.interval,
        }
    }

    pub(crate) fn passed(&mut self) -> Verdict {
        match self.failing_since.take() {
            Some(_) => Verdict::Return,
            None => Verdict::Same,
        }
    }

    pub(crate) fn failed(&mut self, now: Instant) -> Verdict {
        match self.failing_since {
            None => {
                self.failing_since = Some(now);
                Verdict::Leave
            }
            Some(since) if now - since >= self.restart_after => Verdict::Restart,
            Some(_) => Verdict::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_instance_leaves_at_once_and_is_restarted_only_after_long() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut checks = Checks::new(Duration::from_secs(2), Duration::from_secs(30));
        assert_eq!(checks.passed(), Verdict::Same);
        assert_eq!(checks.pause(), Duration::from_secs(2));
        assert_eq!(checks.failed(after(0)), Verdict::Leave);
        assert_eq!(checks.pause(), RECHECK);
        assert_eq!(checks.failed(after(29)), Verdict::Same);
        assert_eq!(checks.failed(after(30)), Verdict::Restart);
        assert_eq!(checks.failed(after(31)), Verdict::Restart);
    }

    #[test]
    fn one_passed_check_starts_the_count_anew() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut checks = Checks::new(Duration::from_secs(2), Duration::from_secs(30));
        checks.failed(after(0));
        assert_eq!(checks.passed(), Verdict::Return);
        assert_eq!(checks.failed(after(40)), Verdict::Leave);
        assert_eq!(checks.failed(after(69)), Verdict::Same);
        assert_eq!(checks.failed(after(70)), Verdict::Restart);
    }
}
