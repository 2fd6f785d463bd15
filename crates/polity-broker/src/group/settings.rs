//! How long groups wait and how large they may become.

use std::time::Duration;

/// Protocols a member may offer in JoinGroup; clients offer one or two.
pub const MAX_PROTOCOLS: usize = 64;
/// Bytes of `group.instance.id` and of a member id that a client chooses.
pub const MAX_ID_LENGTH: usize = 512;
/// How long a new member may wait in JoinGroup for the others: it heartbeats only afterwards.
pub const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);
/// The shortest wait for members to rejoin; a client may say zero, and then nobody could.
pub const MIN_REBALANCE_TIMEOUT: Duration = Duration::from_millis(100);
/// Tombstones appended in one batch when offsets expire or a group is deleted.
pub const TOMBSTONES_PER_BATCH: usize = 1000;
/// How often to call [`Coordinator::sweep`](super::Coordinator::sweep).
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// When what could not be written down is tried again.
pub const STORE_RETRY: Duration = Duration::from_secs(1);
/// Topics a KIP-848 member may subscribe to by name.
pub const MAX_SUBSCRIBED_TOPICS: usize = 10_000;

/// What a broker's groups are held to; the defaults are Kafka's unless a comment says otherwise.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The shortest session timeout a classic member may ask for.
    pub min_session_timeout: Duration,
    /// The longest session timeout a classic member may ask for.
    pub max_session_timeout: Duration,
    /// How long an empty group waits for more members once the first has come. Kafka's default of 3 s
    /// is for clusters that start many consumers at once; here it is none.
    pub initial_rebalance_delay: Duration,
    /// The longest wait for members to rejoin, whatever they ask for (Kafka has no bound).
    pub max_rebalance_timeout: Duration,
    /// Members of one group (Kafka's bound is 2^31).
    pub max_group_size: usize,
    /// Bytes of one classic member's protocol metadata, all protocols together.
    pub max_member_metadata: usize,
    /// Groups of one coordinator.
    pub max_groups: usize,
    /// About how many bytes all groups of one coordinator may take with their members and offsets.
    pub max_memory: usize,
    /// Bytes of the metadata of one committed offset.
    pub max_offset_metadata: usize,
    /// How long offsets live once nobody consumes.
    pub offsets_retention: Duration,
    /// KIP-848: how long a member is kept without a heartbeat.
    pub consumer_session_timeout: Duration,
    /// KIP-848: how often members are told to heartbeat.
    pub consumer_heartbeat_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
            initial_rebalance_delay: Duration::ZERO,
            max_rebalance_timeout: Duration::from_secs(60 * 60),
            max_group_size: 1000,
            max_member_metadata: 256 << 10,
            max_groups: 10_000,
            max_memory: 64 << 20,
            max_offset_metadata: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
        }
    }
}
