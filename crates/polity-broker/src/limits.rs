//! The bounds of what clients can make the broker hold or do.

use std::time::Duration;

/// The largest Produce request, in bytes without its length (Kafka's `socket.request.max.bytes`).
pub(crate) const MAX_PRODUCE_FRAME: usize = 100 * 1024 * 1024;

/// The largest request of any other kind. A group's metadata and assignments have to fit one batch
/// of a megabyte in Kafka too.
pub(crate) const MAX_FRAME: usize = 2 * 1024 * 1024;

/// Array elements and tagged fields in one request, over all its arrays. Decoded, each takes up
/// to some 200 bytes, however few it took on the wire.
pub(crate) const MAX_ELEMENTS: usize = 64 * 1024;

/// What is read from a connection at once. Requests up to this size need no share of the budget.
pub(crate) const READ_CHUNK: usize = 16 * 1024;

/// What all requests above [`READ_CHUNK`] and up to [`LARGE_FRAME`] hold together.
pub(crate) const FRAME_BUDGET: usize = 64 * 1024 * 1024;

/// Requests above this size have a budget of their own, so that a few that dawdle hold up no others.
pub(crate) const LARGE_FRAME: usize = 2 * 1024 * 1024;

/// What all requests above [`LARGE_FRAME`] hold together: one of the largest.
pub(crate) const LARGE_FRAME_BUDGET: usize = MAX_PRODUCE_FRAME;

/// Connections at once. Those beyond take the place of the one that has been idle the longest.
pub(crate) const MAX_CONNECTIONS: usize = 2048;

/// A connection on which nothing moved for so long is closed (Kafka's `connections.max.idle.ms`).
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// How long the rest of a request, or a reader of an answer, may be without a byte moving.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request in a second, at least, once [`STALL_TIMEOUT`] is over: it holds memory that
/// others wait for.
pub(crate) const MIN_PACE: usize = 64 * 1024;

/// Produce requests of one connection that wait for the disk at once.
pub(crate) const MAX_PENDING_ANSWERS: usize = 64;

/// How long a Fetch may wait for records, whatever it asks for.
pub(crate) const MAX_FETCH_WAIT: Duration = Duration::from_secs(60);

/// Records in one answer to a Fetch, in bytes, whatever it asks for (Kafka's `fetch.max.bytes`).
pub(crate) const MAX_FETCH_BYTES: usize = 55 * 1024 * 1024;

/// The pause after the system had no descriptor left for a connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long clients have to take their last answers once the broker stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
