//! Every bound of the data plane, in one place: sizes, waits and idle ages.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::pace::Demand;

/// The size of a connection's buffer: a head, and the longest body that can be sent twice, fit in it.
/// A body of 64 KiB fits in together with its head.
pub const BUFFER: usize = 68 * 1024;

/// The longest head of a request or an answer. Below [`BUFFER`], so that a head in a buffer always
/// leaves room to read on.
pub const MAX_HEAD: usize = 32 * 1024;

/// The most fields in a head or a trailer section.
pub const MAX_HEADERS: usize = 100;

/// Streams of one HTTP/2 connection at once, as nginx has it.
pub const HTTP2_MAX_STREAMS: u32 = 128;

/// Bytes of body that a client may send on one stream of HTTP/2, and on a connection, before they are taken.
pub const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;

/// The same over all streams of a connection.
pub const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;

/// Bytes of answers that wait on one stream for the client to have room.
pub const HTTP2_SEND_BUFFER: usize = 64 * 1024;

/// Streams that a client of HTTP/2 may give up before they are answered, more than it lets be answered; beyond,
/// its connection is ended: each costs an instance work (CVE-2023-44487).
pub const HTTP2_UNANSWERED_RESETS: usize = 256;

/// Streams that one connection of HTTP/2 to an instance carries at once, where the instance allows as many;
/// for more there is another. What servers of gRPC allow.
pub const HTTP2_UPSTREAM_STREAMS: u32 = 100;

/// Connections of HTTP/2 to one place that a thread keeps; beyond, requests wait for their turn on one.
pub const HTTP2_MAX_UPSTREAM: usize = 32;

/// For how long nothing has come on a connection of HTTP/2, while a request waited until it was given up, for
/// it to be given no more.
pub const HTTP2_SILENCE: Duration = Duration::from_secs(5);

/// Bytes of a request's body that are gathered to be translated: as much as gRPC's servers take as one message.
pub const MAX_TRANSLATED: usize = 4 << 20;

/// The most members of a head's `connection` fields: each is looked for among all fields.
pub const MAX_CONNECTION_OPTIONS: usize = 32;

/// The longest trailer section.
pub const MAX_TRAILERS: usize = 8 * 1024;

/// The longest extensions of one chunk; they are read and dropped (RFC 9112, section 7.1.1).
pub const MAX_CHUNK_EXTENSION: usize = 256;

/// How many interim (1xx) answers one request may get before its origin is called broken.
pub const MAX_INTERIM_ANSWERS: usize = 16;

/// Buffers a thread keeps for later; more are freed (17 MiB a thread at most).
pub const MAX_SPARE_BUFFERS: usize = 256;

/// Buffers a thread keeps for later even if none is used.
pub const MIN_SPARE_BUFFERS: usize = 4;

/// The size of what a waiting connection gives up its buffer for: most requests fit in it.
pub const SMALL_BUFFER: usize = 1024;

/// Buffers of [`SMALL_BUFFER`] that a thread keeps for later (1 MiB a thread at most).
pub const MAX_SPARE_SMALL: usize = 1024;

/// Bytes for which a waiting connection gives up its buffer for one of just that size, once more
/// buffers than [`MAX_SPARE_BUFFERS`] are in use.
pub const MAX_PARKED: usize = 8 * 1024;

/// Bytes of a body from which on they are written from where they were read, rather than copied to
/// what goes before them: copying less costs less than a second piece.
pub const MIN_LOOSE: usize = 2 * 1024;

/// Bytes of a file from which on they are sent from the system's cache, where the stream can: fewer are copied
/// to the head, which is one call less.
pub const MIN_SENT_FILE: u64 = 32 * 1024;

/// Bytes of a file that are read, looked for in the system's cache, or sent at once.
pub const FILE_CHUNK: usize = 256 * 1024;

/// Bytes that are encoded at once, and that a connection has encoded before others have their turn: a millisecond's
/// work at most.
pub const ENCODE_TURN: usize = 32 * 1024;

/// Bytes of a body with a length that have been taken since the last time, from which on an encoder gives what it has
/// while more is waited for. Of a body in chunks it always does: they may be words of a dialogue.
pub const MIN_FLUSHED: usize = 16 * 1024;

/// Bytes of a file that a connection sends before others have their turn.
pub const FILE_TURN: u64 = 1024 * 1024;

/// Idle connections to one place that a thread keeps.
pub const MAX_IDLE_UPSTREAM: usize = 1024;

/// Connections of one listener that a thread serves at once; past it, new ones wait in the kernel's
/// queue. Where the system grants fewer file descriptors, [`max_connections`] is less.
pub const MAX_CONNECTIONS: usize = 32 * 1024;

/// The queue of connections not accepted yet; the kernel caps it at `net.core.somaxconn`.
pub const LISTEN_BACKLOG: i32 = 4096;

/// What is read and thrown away after an answer that came before its request ended, so that the
/// client sees the answer rather than a reset.
pub const MAX_LINGER_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of an answer that is not wanted which are read over for its connection's sake. A new one costs
/// less than more.
pub const MAX_DRAINED: u64 = 64 * 1024;

/// Attempts that have lost a race and that one thread follows to their end at once; of more, the connections are
/// closed. A bound on memory and descriptors where instances hang.
pub const MAX_ABANDONED: usize = 256;

/// How long such an attempt is followed at most, whatever time there is for an answer.
pub const MAX_FOLLOWED: Duration = Duration::from_secs(60);

/// How often the system probes whether a client that sends no more is still there. The system of one
/// that has closed denies it as soon as it has forgotten the connection: Linux does after a minute.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// The unanswered probes that mean that a client is gone.
pub const MAX_LOST_PROBES: u32 = 4;

/// From one look for what has grown too old, and one [`crate::Policy::tick`], to the next.
pub const TICK: Duration = Duration::from_millis(250);

/// From one measurement of a thread's own delay to the next, while it is at least [`DELAY_WATCHED`].
pub const DELAY_TICK: Duration = Duration::from_millis(25);

/// See [`DELAY_TICK`]. Above what a timer is late by, and a moment's work.
pub const DELAY_WATCHED: Duration = Duration::from_millis(10);

/// How many connections of one listener each of `threads` serves at once where the process may open
/// `descriptors` files (none for as many as it likes).
///
/// A quarter of them is for clients, and another for the connections to instances that their requests
/// need. The rest is for what must go on when clients take all they can get: calls between services,
/// instances that start, the admin API, and health checks, without which all instances would be taken
/// for dead.
pub(crate) fn max_connections(descriptors: Option<u64>, threads: usize) -> usize {
    let Some(descriptors) = descriptors else {
        return MAX_CONNECTIONS;
    };
    let share = usize::try_from(descriptors / 4).unwrap_or(usize::MAX) / threads.max(1);
    share.clamp(1, MAX_CONNECTIONS)
}

/// What clients may ask of the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one listener that one thread serves at once; fewer where the system grants
    /// fewer file descriptors.
    pub connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 /64, over all threads, of those that
    /// [count](crate::Policy::counts); none for any number.
    pub connections_per_address: Option<u32>,
    /// Requests of one connection, the last of which is told that the connection is closed; none
    /// for any number.
    pub requests_per_connection: Option<u32>,
    /// Fields in the head of a request: [`MAX_HEADERS`] at most.
    pub header_count: usize,
    /// Bytes of the head of a request: [`MAX_HEAD`] at most.
    pub header_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            connections_per_address: None,
            requests_per_connection: None,
            header_count: MAX_HEADERS,
            header_size: MAX_HEAD,
        }
    }
}

/// The waits of the data plane. Tests shorten them; the defaults are for production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From a request's first byte (or from connecting) to the end of its head.
    pub head: Duration,
    /// Between two requests of a connection.
    pub keep_alive: Duration,
    /// For an instance to say whether a client that asked (`Expect: 100-continue`) may send its body;
    /// after that it is told so here. What curl waits for a server.
    pub permission: Duration,
    /// For a request's body in which nothing comes; of what comes, every second's worth at
    /// `min_body_rate` earns a second back.
    pub body: Duration,
    /// The bytes a second of body that a client has to send over time, as long as it is not
    /// answered: from there on it may send when it likes, as both sides of a dialogue do.
    pub min_body_rate: NonZeroU32,
    /// Without the client taking a byte of the answer that is there for it; of what it takes,
    /// every second's worth at `min_send_rate` earns a second back.
    pub send: Duration,
    /// The bytes a second of answer that a client has to take over time, where there are as many.
    pub min_send_rate: NonZeroU32,
    /// Connecting to an instance.
    pub connect: Duration,
    /// Without a byte in either direction, once an answer or a tunnel flows. Long: event streams
    /// and WebSockets may be silent for a good while.
    pub stream_idle: Duration,
    /// The age at which an idle connection to an instance is no longer used. Below the keep-alive
    /// of common servers (Node's is 5 s), so that it is us who close.
    pub upstream_idle: Duration,
    /// How long a small answer is gathered before it is forwarded as it comes.
    pub gather: Duration,
    /// Reading on after an early answer.
    pub linger: Duration,
}

/// Below any line that is still in use, and above what makes it cheap to keep many connections
/// busy. What Kestrel, the server of ASP.NET, asks for too.
const MIN_RATE: NonZeroU32 = NonZeroU32::new(240).expect("not zero");

impl Timeouts {
    /// What is asked of a client that sends a body.
    pub(crate) fn of_body(&self) -> Demand {
        Demand {
            silence: self.body,
            rate: self.min_body_rate,
        }
    }

    /// What is asked of a client that is sent an answer.
    pub(crate) fn of_answer(&self) -> Demand {
        Demand {
            silence: self.send,
            rate: self.min_send_rate,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            permission: Duration::from_secs(1),
            body: Duration::from_secs(30),
            min_body_rate: MIN_RATE,
            send: Duration::from_secs(60),
            min_send_rate: MIN_RATE,
            connect: Duration::from_secs(5),
            stream_idle: Duration::from_secs(3600),
            upstream_idle: Duration::from_secs(4),
            gather: Duration::from_millis(250),
            linger: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_all_file_descriptors() {
        let check = |descriptors, threads, expected| {
            assert_eq!(max_connections(descriptors, threads), expected);
        };
        check(Some(1024), 1, 256);
        check(Some(1024), 2, 128);
        check(Some(1_048_576), 2, MAX_CONNECTIONS);
        check(Some(u64::MAX), 1, MAX_CONNECTIONS);
        check(Some(4), 64, 1);
        check(None, 64, MAX_CONNECTIONS);
    }
}
