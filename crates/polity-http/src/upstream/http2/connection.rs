//! One shared connection: made and greeted, driven by a task of its own, trusted as long as anything comes of it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};

use super::greeting::{Greeting, Heard, Listened};
use crate::limits::{
    HTTP2_SEND_BUFFER, HTTP2_SILENCE, HTTP2_STREAM_WINDOW, HTTP2_UPSTREAM_STREAMS, MAX_HEAD,
};
use crate::policy::Fault;
use crate::stream::{Dial, Stream};
use crate::upstream::{Origin, not_connected};

/// Room for what each of its streams may be sent: one whose client reads slowly holds up no other.
const CONNECTION_WINDOW: u32 = HTTP2_STREAM_WINDOW * HTTP2_UPSTREAM_STREAMS;

/// A connection. Once the pool and all streams have let go of it, it is ended in order.
pub(super) struct Shared {
    requests: SendRequest<Bytes>,
    heard: Rc<Heard>,
    /// Those that there are now.
    streams: Cell<u32>,
    /// Whether there were any before.
    has_served: Cell<bool>,
    idle_since: Cell<Instant>,
    /// It takes no more streams: nothing comes of it.
    is_suspect: Cell<bool>,
}

/// A stream's place on a connection.
pub(super) struct Place {
    connection: Rc<Shared>,
    since: Instant,
    /// What had been heard then.
    reads: u64,
    origin: Origin,
}

/// Connects and greets, without a bound of its own on how long it takes.
pub(super) async fn connect<D: Dial>(dial: &D, address: SocketAddr) -> Result<Rc<Shared>, Fault> {
    let stream = dial.dial(address).await;
    let stream = stream.map_err(|error| not_connected(&error))?;
    stream.probe();
    let heard = Rc::<Heard>::default();
    let io = Listened::new(stream, heard.clone());
    let opened = settings().handshake::<_, Bytes>(io).await;
    let (requests, mut connection) = opened.map_err(|_| unheard())?;
    poll_fn(|context| {
        let ended = Pin::new(&mut connection).poll(context).is_ready();
        match heard.greeting.get() {
            Greeting::NotHttp2 => Poll::Ready(Err(Fault::NotHttp2)),
            _ if ended => Poll::Ready(Err(unheard())),
            // Its settings are in force.
            Greeting::Settings => Poll::Ready(Ok(())),
            Greeting::Awaited(_) => Poll::Pending,
        }
    })
    .await?;
    tokio::task::spawn_local(async move {
        // How it ends is told to its streams.
        let _ = connection.await;
    });
    Ok(Rc::new(Shared {
        requests,
        heard,
        streams: Cell::new(0),
        has_served: Cell::new(false),
        idle_since: Cell::new(now()),
        is_suspect: Cell::new(false),
    }))
}

/// It was closed before a word was said.
fn unheard() -> Fault {
    Fault::Connect(io::ErrorKind::ConnectionReset)
}

fn settings() -> Builder {
    let mut settings = Builder::new();
    settings
        .enable_push(false)
        .max_header_list_size(MAX_HEAD as u32)
        .initial_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(HTTP2_SEND_BUFFER);
    settings
}

/// By the clock of timers, which tests turn.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Shared {
    /// Whether streams may be opened: not once the instance has said that it goes away, or it is broken.
    pub(super) fn is_usable(&self) -> bool {
        // What is asked does not wait: that is for who has a stream that waits to be opened.
        let mut context = Context::from_waker(Waker::noop());
        let ready = self.requests.clone().poll_ready(&mut context);
        !self.is_suspect.get() && matches!(ready, Poll::Ready(Ok(())))
    }

    /// Whether the instance takes another stream now.
    pub(super) fn has_room(&self) -> bool {
        let allowed = self.requests.current_max_send_streams();
        let allowed = u32::try_from(allowed).unwrap_or(u32::MAX);
        self.streams.get() < allowed.min(HTTP2_UPSTREAM_STREAMS)
    }

    pub(super) fn streams(&self) -> u32 {
        self.streams.get()
    }

    pub(super) fn is_idle_for(&self, age: Duration, now: Instant) -> bool {
        self.streams.get() == 0 && now.saturating_duration_since(self.idle_since.get()) >= age
    }
}

impl Place {
    pub(super) fn take(connection: &Rc<Shared>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        let origin = match connection.has_served.replace(true) {
            true => Origin::Reused,
            false => Origin::Fresh,
        };
        Self {
            connection: connection.clone(),
            since: now(),
            reads: connection.heard.reads.get(),
            origin,
        }
    }

    /// Whether the connection is new.
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    pub(super) fn requests(&self) -> SendRequest<Bytes> {
        self.connection.requests.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connection = &self.connection;
        let now = now();
        connection.streams.set(connection.streams.get() - 1);
        connection.idle_since.set(now);
        // Servers of gRPC take pings for abuse (its keepalive guide), and a ping tells no more: what was
        // waited for would have come over it.
        let is_silent = connection.heard.reads.get() == self.reads;
        if is_silent && now.saturating_duration_since(self.since) >= HTTP2_SILENCE {
            connection.is_suspect.set(true);
        }
    }
}
