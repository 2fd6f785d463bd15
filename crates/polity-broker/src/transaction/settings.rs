//! How long transactions may take and how many producers there may be.

use std::time::Duration;

/// Bytes of a transactional id.
pub const MAX_ID_LENGTH: usize = 1024;
/// Producer ids reserved at a time: at most as many are lost at a restart.
pub const ID_BLOCK: i64 = 1000;
/// How often to call [`Coordinator::sweep`](super::Coordinator::sweep).
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// When a timeout that could not be written down is tried again.
pub const ABORT_RETRY: Duration = Duration::from_secs(1);

/// What a broker's transactions are held to; the defaults are Kafka's unless a comment says otherwise.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest transaction a producer may ask for.
    pub max_timeout: Duration,
    /// How long a transactional id is remembered that nobody uses.
    pub id_expiration: Duration,
    /// Transactional ids of one coordinator (Kafka has no bound).
    pub max_ids: usize,
    /// About how many bytes they may take with the partitions of their transactions (Kafka has no bound).
    pub max_memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_timeout: Duration::from_secs(15 * 60),
            id_expiration: Duration::from_secs(7 * 24 * 60 * 60),
            max_ids: 100_000,
            max_memory: 64 << 20,
        }
    }
}
