//! Which share of requests a thread refuses that cannot keep up itself.
//!
//! What waits here is whatever is ready: bytes to forward as much as new requests, so a delay is one
//! of everybody. As in PIE (RFC 8033) the share follows the delay: it grows while the delay is
//! above the target, the faster the further, and shrinks below. A switch, all or none, would be on and
//! off in turn, as refusing is quick work. As in CoDel (RFC 8289) nothing is refused until the
//! delay has stood for an interval: a burst is not an overload.

use std::time::{Duration, Instant};

#[cfg(test)]
#[path = "shedder_tests.rs"]
mod tests;

/// How long the delay must have been above the target.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// How much the share changes in a second, for each target's worth of delay above or below it.
const GAIN: f64 = 0.5;

/// The most that the delay counts for, in targets.
const MAX_EXCESS: f64 = 4.0;

/// The share never gets larger: some must come through to show that the overload is over.
pub const MAX_SHARE: f64 = 0.95;

/// Measurements further apart are taken for ones this far apart.
const MAX_GAP: Duration = Duration::from_millis(500);

/// One thread's.
#[derive(Debug, Clone, Default)]
pub struct Shedder {
    share: f64,
    above_since: Option<Instant>,
    measured: Option<Instant>,
}

impl Shedder {
    /// The share of requests to refuse, from 0 to [`MAX_SHARE`].
    pub fn share(&self) -> f64 {
        self.share
    }

    /// What was ready has waited for `delay`, with `target` being as long as it should.
    pub fn measured(&mut self, delay: Duration, target: Duration, now: Instant) {
        let before = self.measured.replace(now).unwrap_or(now);
        let gap = now.saturating_duration_since(before).min(MAX_GAP);
        let excess = delay.as_secs_f64() / target.as_secs_f64().max(1e-6) - 1.0;
        if excess > 0.0 {
            let since = *self.above_since.get_or_insert(now);
            if self.share == 0.0 && now.saturating_duration_since(since) < INTERVAL {
                return;
            }
        } else {
            self.above_since = None;
        }
        let change = GAIN * excess.min(MAX_EXCESS) * gap.as_secs_f64();
        self.share = (self.share + change).clamp(0.0, MAX_SHARE);
    }
}
