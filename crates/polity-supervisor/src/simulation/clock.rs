//! A clock for events that follows tokio's paused time.

use std::time::SystemTime;

use polity_core::Clock;
use tokio::time::Instant;

/// A clock that follows tokio's paused time.
pub(crate) struct PausedClock {
    origin: Instant,
}

impl PausedClock {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.origin.elapsed()
    }
}
