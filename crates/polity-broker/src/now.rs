//! The two times a state machine is told.

use std::time::Instant;

/// The time of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: for sessions and for waits, which a change of the clock must not end.
    pub instant: Instant,
    /// Milliseconds since the Unix epoch: for what is written down and must survive a restart.
    pub unix_ms: i64,
}
