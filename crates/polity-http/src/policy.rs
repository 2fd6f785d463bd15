//! What the data plane asks of whoever decides: where a request goes, what is added, what a failure means.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use crate::body::BodyError;
use crate::encode::Encoder;
use crate::file::FileBody;
use crate::head::{HeadError, RequestHead, ResponseHead};
use crate::translate::Translate;

/// Decides about requests. One lives on each data-plane thread; nothing in it may block.
pub trait Policy: 'static {
    /// What a listener is for; each connection carries a clone.
    type Listener: Clone + Send + 'static;
    /// One request, or one tunnelled connection, from its head to its end.
    type Exchange: Exchange;

    /// What is spoken on a listener.
    fn protocol(&self, listener: &Self::Listener) -> Protocol;

    /// Whether a connection from `peer` counts toward the limit of its address
    /// ([`crate::Limits::connections_per_address`]): not where it stands for many.
    fn counts(&self, _listener: &Self::Listener, _peer: IpAddr) -> bool {
        true
    }

    /// How connections of a listener are encrypted; none where they are not. Asked once for each, when it
    /// comes in.
    fn tls(&self, _listener: &Self::Listener) -> Option<Arc<ServerConfig>> {
        None
    }

    /// Who a client is that has shown a certificate, in words of the policy's: they are those of
    /// [`Peer::identity`]. Asked once for each connection that has shown one.
    fn identify(&self, _certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
        None
    }

    /// A request has come in, at `at`. What is wrong with it is said by [`Exchange::next`].
    fn request(
        &self,
        listener: &Self::Listener,
        peer: Peer,
        head: &RequestHead<'_>,
        at: Instant,
    ) -> Self::Exchange;

    /// A connection has come in on a listener of [`Protocol::Tcp`].
    fn tunnel(&self, listener: &Self::Listener, peer: SocketAddr) -> Self::Exchange;

    /// What came in is no request: the answer to give before the connection is closed.
    /// `bytes` are what came of it, as they came.
    fn refuse(
        &self,
        listener: &Self::Listener,
        peer: SocketAddr,
        bytes: &[u8],
        fault: &Fault,
    ) -> Answer;

    /// What was ready on this thread has just waited for its turn for so long: measured at every
    /// tick, and more often while it is long.
    fn waited(&self, _delay: Duration) {}

    /// Called now and then ([`crate::limits::TICK`]), and last when the thread has drained.
    fn tick(&self);
}

/// Who sent a request, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// What the connection is.
    pub scheme: Scheme,
    /// Who the certificate says it is, as [`Policy::identify`] has it.
    pub identity: Option<Arc<str>>,
}

/// How a request came (RFC 9110, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// What a listener's connections speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Requests, each forwarded by itself.
    Http,
    /// Anything: the connection is forwarded as a whole.
    Tcp,
}

/// One request on its way. Dropping it ends it; [`Exchange::finished`] is called before, however it ends.
pub trait Exchange: 'static {
    /// Where the next attempt goes, or what is answered here when it goes nowhere.
    fn next(&mut self) -> Result<Target, Here>;

    /// Path and query to ask for.
    fn target<'a>(&'a self, head: &RequestHead<'a>) -> &'a str;

    /// Whether a field of this name is passed on. Hop-by-hop fields never are.
    fn keeps(&self, name: &str) -> bool;

    /// Appends further fields, each a line with its end.
    fn write_fields(&self, head: &RequestHead<'_>, out: &mut Vec<u8>);

    /// Bytes of body that the request may have. One that says it has more is never started: it
    /// [has failed](Exchange::failed) with [`Fault::BodyTooLarge`] instead.
    fn body_limit(&self) -> u64 {
        u64::MAX
    }

    /// The request is all there, since `at`. Called once at most, and only where there is a
    /// [time to answer](Exchange::time_to_answer).
    fn received(&mut self, at: Instant) {
        let _ = at;
    }

    /// When the first byte of the answer must have come, counted from the moment the request was
    /// all there and over all attempts; `None` for never.
    fn time_to_answer(&self) -> Option<Duration>;

    /// When the first byte of an answer to one attempt must have come, counted from the moment the
    /// request was all there; `None` for as long as [there is](Exchange::time_to_answer). One that
    /// takes longer has failed with [`Fault::AttemptDeadline`].
    fn time_to_attempt(&self) -> Option<Duration> {
        None
    }

    /// When all of it must be over, the answer's last byte included; `None` for never.
    fn ends_by(&self) -> Option<Instant> {
        None
    }

    /// Whether the client may fall silent in the middle of its request, as in a dialogue that the service
    /// has not said anything in yet.
    fn may_fall_silent(&self) -> bool {
        false
    }

    /// Who translates the attempt that [`Exchange::next`] has named, where its target says that it is; such an attempt is
    /// [made alone](Exchange::time_to_hedge).
    fn translator(&self) -> Option<Box<dyn Translate>> {
        None
    }

    /// How long to wait for an answer to the attempt that [`Exchange::next`] has named before the
    /// same is asked [of another instance too](Exchange::hedge); `None` for not at all. Asked once for
    /// each attempt, and only of requests that have no body and ask for no other protocol.
    fn time_to_hedge(&mut self) -> Option<Duration> {
        None
    }

    /// That time has passed. Where a second attempt goes, to be made beside the first; `None` for
    /// none. Of the two one [wins](Exchange::wins), or one is [lost](Exchange::lost) and the other goes
    /// on alone; should time run out for both, both have [failed](Exchange::failed). What is
    /// [written](Exchange::write_fields) next is written for the second.
    fn hedge(&mut self) -> Option<Target> {
        None
    }

    /// Whether an answer to one of two attempts ends the race: the other is then [let go
    /// of](Exchange::abandon), and this one is the only one from here on. Where it does not, the attempt is
    /// lost with [`Fault::Unwanted`].
    fn wins(&mut self, _racer: Racer, _head: &ResponseHead<'_>, _at: Instant) -> bool {
        true
    }

    /// A race has been won, and the other attempt is let go of: where it was sent, its instance works on it
    /// and knows of no race. What is given is told what becomes of it, or dropped; without, the
    /// connection is closed. Not asked where the other had failed before.
    fn abandon(&mut self) -> Option<Box<dyn Abandoned>> {
        None
    }

    /// One of two attempts has failed. The other goes on alone.
    fn lost(&mut self, _racer: Racer, _fault: &Fault) {}

    /// Whether an answer, of which nothing has been forwarded, is good enough. Where it is not, the
    /// attempt has failed with [`Fault::Unwanted`].
    fn accepts(&mut self, _head: &ResponseHead<'_>, _replay: Replay) -> bool {
        true
    }

    /// An attempt, or the request itself, has failed before a byte of an answer was forwarded.
    fn failed(&mut self, fault: &Fault, replay: Replay) -> Next;

    /// The head of an answer has come, at `at`, and is about to be forwarded.
    fn answered(&mut self, head: &ResponseHead<'_>, at: Instant);

    /// Whether a field of this name in an origin's answer is passed on. Hop-by-hop fields never are.
    fn keeps_of_answer(&self, name: &str) -> bool;

    /// A field has come after the body of an answer that was forwarded.
    fn trailer(&mut self, _name: &str, _value: &[u8]) {}

    /// Appends further fields to an origin's final answer, each a line with its end.
    fn write_fields_of_answer(&self, _out: &mut Vec<u8>) {}

    /// Whether the body of an answer that is about to be forwarded is [encoded](Exchange::encoder) on its way. Asked
    /// once for each final answer to a client that chunks can be sent to; its fields are asked for after. For HEAD
    /// it is as for what GET would be answered with.
    fn encodes(&mut self, _head: &ResponseHead<'_>) -> bool {
        false
    }

    /// What encodes it, once.
    fn encoder(&mut self) -> Option<Box<dyn Encoder>> {
        None
    }

    /// The exchange has ended, one way or the other. Called once, and last.
    fn finished(&mut self, outcome: &Outcome);
}

/// An attempt whose answer nobody waits for any more. It is followed to its end for as long as it would have
/// been waited for; dropping this without a word is its end as well.
pub trait Abandoned: 'static {
    /// Whether its end still matters to anybody: asked now and then.
    fn matters(&self) -> bool;

    /// The head of its answer has come, at `at`.
    fn answered(&mut self, head: &ResponseHead<'_>, at: Instant);

    /// It has ended, at `at`, without an answer: for this reason. Called last.
    fn failed(&mut self, fault: &Fault, at: Instant);
}

/// One attempt's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// Whether an idle connection will do.
    pub reuse: Reuse,
    /// What is spoken there.
    pub speaks: Speaks,
}

/// What is spoken to an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1: one request at a time on a connection.
    #[default]
    Http1,
    /// HTTP/2 from the first byte on (RFC 9113, section 3.3): requests share connections.
    Http2,
    /// The same, and what is said is [translated](Exchange::translator).
    Translated,
}

/// One of two attempts that are made at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Racer {
    /// That which was made first.
    First,
    /// That which was made when the first had not been answered [for a while](Exchange::time_to_hedge).
    Second,
}

/// Whether an attempt may go over a connection that has carried a request before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// If it has not been closed, as far as the event loop has seen: for requests that may be
    /// sent again.
    Likely,
    /// If it has not been closed, as the system says: for requests that may not.
    Certain,
    /// No: a new one.
    Never,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The request's head is malformed.
    #[error("malformed request: {0}")]
    Head(HeadError),
    /// The request's head is longer, or has more fields, than [`crate::Limits`] allow.
    #[error("the request's head is too large")]
    HeadTooLarge,
    /// The request's body is malformed.
    #[error("malformed request body: {0}")]
    Body(BodyError),
    /// The request's body is longer than [`Exchange::body_limit`].
    #[error("the request's body is too large")]
    BodyTooLarge,
    /// The client took too long over its request.
    #[error("the client was too slow")]
    ClientTooSlow,
    /// The client went away.
    #[error("the client went away")]
    ClientGone,
    /// No connection to the instance could be made.
    #[error("could not connect: {0}")]
    Connect(io::ErrorKind),
    /// No connection was tried: the system has no file descriptor, port or memory left for one.
    #[error("the gateway has no file descriptor, port or memory left for a connection")]
    Exhausted,
    /// Connecting took longer than [`crate::limits::Timeouts::connect`].
    #[error("connecting took too long")]
    ConnectTimeout,
    /// A connection that had carried a request before ended without a byte of an answer: it was
    /// most likely closed before the request came.
    #[error("a reused connection was closed")]
    Stale,
    /// What has answered to HTTP/2 is not HTTP/2.
    #[error(
        "it does not speak HTTP/2; if it speaks HTTP/1.1, the service's `protocol` is to say so"
    )]
    NotHttp2,
    /// The instance has refused the request and done nothing with it (RFC 9113, section 8.7).
    #[error("the instance refused the request before it had looked at it")]
    Refused,
    /// The connection to the instance ended before the answer did.
    #[error("the connection broke before the answer was complete")]
    Broke,
    /// The answer breaks the rules of HTTP.
    #[error("malformed answer: {0}")]
    Answer(&'static str),
    /// It was answered, and the answer was not [accepted](Exchange::accepts).
    #[error("the answer was not accepted")]
    Unwanted,
    /// The answer to one attempt did not begin within [its time](Exchange::time_to_attempt).
    #[error("the answer to one attempt did not begin in time")]
    AttemptDeadline,
    /// The answer did not begin in time.
    #[error("the answer did not begin in time")]
    Deadline,
    /// The answer, or the tunnel, stood still for too long.
    #[error("nothing moved for too long")]
    Idle,
    /// Its connection was cut off: by a drain's bound, or because its thread ended.
    #[error("the gateway has ended the connection")]
    CutOff,
    /// A defect of this program ended its connection: its task panicked.
    #[error("a defect of the gateway has ended the connection")]
    Panicked,
}

impl Fault {
    /// Whether it lies with the service rather than with the client or with this machine.
    pub fn is_the_services(&self) -> bool {
        match self {
            Self::Head(_)
            | Self::HeadTooLarge
            | Self::Body(_)
            | Self::BodyTooLarge
            | Self::ClientTooSlow
            | Self::ClientGone
            | Self::Exhausted
            | Self::CutOff
            | Self::Panicked => false,
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::NotHttp2
            | Self::Refused
            | Self::Stale
            | Self::Broke
            | Self::Answer(_)
            | Self::Unwanted
            | Self::AttemptDeadline
            | Self::Deadline
            | Self::Idle => true,
        }
    }
}

/// Whether a failed attempt could be made again, as far as the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Not a byte has reached the instance: it can, whatever the request.
    NotSent,
    /// Something may have reached it, and all of the request is still held.
    Held,
    /// Part of the request is gone, or it makes no sense.
    Impossible,
}

/// What becomes of a request after a failed attempt.
#[derive(Debug)]
pub enum Next {
    /// Another attempt, after a pause (often none).
    Again(Duration),
    /// The end of it.
    Give(Answer),
}

/// An answer made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Its field lines, each with its end; framing, `date` and `connection` are added.
    pub fields: Vec<u8>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is answered without asking anybody.
pub enum Here {
    /// This.
    Answer(Answer),
    /// What this finds, within [the time to answer](Exchange::time_to_answer). It runs on the data-plane
    /// thread, and is dropped when the client goes away.
    Later(Pin<Box<dyn Future<Output = Found>>>),
}

impl fmt::Debug for Here {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => f.debug_tuple("Answer").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl From<Answer> for Here {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// An answer that was looked for.
pub struct Found {
    /// Its head, and its body where there is no file.
    pub answer: Answer,
    /// What is sent as the body instead.
    pub file: Option<FileBody>,
}

impl From<Answer> for Found {
    fn from(answer: Answer) -> Self {
        Self { answer, file: None }
    }
}

/// How an exchange went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The status the client was sent, if it was sent one.
    pub status: Option<u16>,
    /// Bytes of body from the client.
    pub request_bytes: u64,
    /// Bytes of body to the client.
    pub answer_bytes: u64,
    /// What cut it short, if something did.
    pub fault: Option<Fault>,
    /// When it ended.
    pub ended: Instant,
}
