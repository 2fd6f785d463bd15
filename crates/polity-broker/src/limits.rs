//! The bounds of what clients can make the broker hold or do.

use std::time::Duration;

use crate::wire::pressure::Patience;

/// The largest Produce request, in bytes without its length (Kafka's `socket.request.max.bytes`).
pub(crate) const MAX_PRODUCE_FRAME: usize = 100 * 1024 * 1024;

/// The largest request of any other kind. A group's metadata and assignments have to fit one batch
/// of a megabyte in Kafka too.
pub(crate) const MAX_FRAME: usize = 2 * 1024 * 1024;

/// Array elements and tagged fields in one request, over all its arrays. Decoded, each takes up
/// to some 200 bytes, however few it took on the wire.
pub(crate) const MAX_ELEMENTS: usize = 64 * 1024;

/// Requests with up to so many elements are not counted.
pub(crate) const FEW_ELEMENTS: usize = 256;

/// Requests with more elements have a budget of their own and are worked on in turn, so that they hold up no
/// others.
pub(crate) const MANY_ELEMENTS: usize = 4096;

/// Elements in all requests together that are being handled and have more than [`FEW_ELEMENTS`].
pub(crate) const SOME_ELEMENTS_BUDGET: usize = 2 * MAX_ELEMENTS;

/// The same of those that have more than [`MANY_ELEMENTS`].
pub(crate) const MANY_ELEMENTS_BUDGET: usize = 2 * MAX_ELEMENTS;

/// A connection one of whose requests has kept a thread for longer has its next worked on in turn.
pub(crate) const LABORIOUS: Duration = Duration::from_millis(2);

/// What is read from a connection at once. Requests up to this size need no share of the budget.
pub(crate) const READ_CHUNK: usize = 16 * 1024;

/// Produce requests above this size have a budget of their own, so that a few that dawdle hold up no others.
pub(crate) const LARGE_FRAME: usize = 2 * 1024 * 1024;

/// What Produce requests above [`READ_CHUNK`] and up to [`LARGE_FRAME`] hold together.
pub(crate) const PRODUCE_FRAMES_BUDGET: usize = 48 * 1024 * 1024;

/// What Produce requests above [`LARGE_FRAME`] hold together that fit into this.
pub(crate) const LARGE_FRAMES_BUDGET: usize = 32 * 1024 * 1024;

/// What those hold together that are still larger.
pub(crate) const HUGE_FRAMES_BUDGET: usize = MAX_PRODUCE_FRAME;

/// What all other requests hold together.
pub(crate) const OTHER_FRAMES_BUDGET: usize = 16 * 1024 * 1024;

/// What answers to Fetch that were not yet taken hold together, and likewise all others: their bytes, and [`OPEN_FILE`] for each piece of a
/// file that they are to be sent from.
pub(crate) const ANSWERS_BUDGET: usize = 64 * 1024 * 1024;

/// Larger answers are made only once there is room for all of them: their size is known before.
pub(crate) const LARGE_ANSWER: usize = 256 * 1024;

/// Answers up to this weight are not counted.
pub(crate) const SMALL_ANSWER: usize = 1024;

/// What a piece of an open file weighs in an answer: 4096 of them are the whole budget.
pub(crate) const OPEN_FILE: usize = 16 * 1024;

/// Pieces of files in one answer to a Fetch. Partitions beyond have their turn in the next.
pub(crate) const MAX_FILES: usize = 64;

/// Connections at once. Those beyond take the place of the one that has been idle the longest.
pub(crate) const MAX_CONNECTIONS: usize = 2048;

/// A connection on which nothing moved for so long is closed (Kafka's `connections.max.idle.ms`).
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// How long the rest of a request, or a reader of an answer, may be without a byte moving.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request or an answer in a second, at least, once [`STALL_TIMEOUT`] is over: it holds memory,
/// and files that may be deleted otherwise.
pub(crate) const MIN_PACE: usize = 64 * 1024;

/// The same two while others wait for memory that it holds. Requests have the less time the more wait: those
/// who stall, many times as many as there is memory for, are to cost the others seconds.
pub(crate) const PRESSED_REQUESTS: Patience = &[
    (64, Duration::from_millis(250)),
    (8, Duration::from_secs(1)),
    (1, Duration::from_secs(2)),
];
pub(crate) const PRESSED_ANSWERS: Patience = &[(1, Duration::from_secs(2))];
pub(crate) const PRESSED_PACE: usize = 1024 * 1024;

/// Produce requests of one connection that wait for the disk at once.
pub(crate) const MAX_PENDING_ANSWERS: usize = 64;

/// How long a Fetch may wait for records, whatever it asks for.
pub(crate) const MAX_FETCH_WAIT: Duration = Duration::from_secs(60);

/// Records in one answer to a Fetch, in bytes, whatever it asks for (Kafka's `fetch.max.bytes`).
pub(crate) const MAX_FETCH_BYTES: usize = 55 * 1024 * 1024;

/// From one word about connections that make room for others to the next.
pub(crate) const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The pause after the system had no descriptor left for a connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long clients have to take their last answers once the broker stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
