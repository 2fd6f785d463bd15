//! Time as endpoints keep it: short, and from an origin that the caller chooses.

use std::time::{Duration, Instant};

/// Milliseconds since an origin that all endpoints of a process share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment at `now`; 0 for what was before `origin`.
    pub fn since(origin: Instant, now: Instant) -> Self {
        let passed = now.saturating_duration_since(origin);
        // No u128: this is done for every request.
        Self(passed.as_secs() * 1_000 + u64::from(passed.subsec_millis()))
    }

    /// How long ago `earlier` was; zero if it is yet to come.
    pub fn after(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
