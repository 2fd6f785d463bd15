//! HTTP/2 from clients (RFC 9113), by h2: each of its streams is served as a connection with one request.
//!
//! What a stream carries is brought into the form of HTTP/1.1 on its way in, and out of it on its way out, so
//! that all that is known about requests (deadlines, second attempts, limits, what is refused) is known
//! once. What would mean something else in the other form is refused by the same strict parser as if it had
//! come so.

mod answer;
pub(crate) mod incoming;
mod io;
pub(crate) mod outgoing;
mod request;
mod stream;
pub(crate) mod web;

use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, SendResponse};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::buffer::Input;
use crate::connection::{After, Connection};
use crate::deadline::Deadline;
use crate::group::Membership;
use crate::limits::{
    HTTP2_CONNECTION_WINDOW, HTTP2_MAX_STREAMS, HTTP2_SEND_BUFFER, HTTP2_STREAM_WINDOW,
    HTTP2_UNANSWERED_RESETS,
};
use crate::policy::{Policy, Scheme};
use crate::stream::{Dial, Stream};
use crate::worker::Worker;
use io::Io;
use stream::{Carrier, Http2Stream};

/// How each connection begins (RFC 9113, section 3.4). A parser of HTTP/1 stops at its version.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether what came first is not HTTP/1 but this, as far as it has come.
pub(crate) fn is_preface(input: &[u8]) -> bool {
    input.starts_with(PREFACE) || PREFACE.starts_with(input)
}

/// Who the streams of a connection are from, and where they go.
struct Origin<'c, P: Policy, D: Dial> {
    worker: &'c Rc<Worker<P, D>>,
    listener: &'c P::Listener,
    member: &'c Membership,
    peer: SocketAddr,
    scheme: Scheme,
    identity: Option<Arc<str>>,
    /// Streams that the client has given up before they were answered, less those that it has not.
    given_up: Rc<Cell<usize>>,
    /// Since when the client takes nothing of what there is for it.
    stands_still: Rc<Cell<Option<Instant>>>,
}

impl<P: Policy, D: Dial, S: Stream> Connection<P, D, S> {
    /// Serves a connection, of which `input` has come, to its end.
    pub(crate) async fn serve_http2(&mut self, input: &mut Input) -> After {
        match self.serve_streams(input).await {
            EndedBy::Client => After::Close,
            // What was said last would be lost under a reset.
            EndedBy::Us => After::Linger,
            EndedBy::Standstill => After::Reset,
        }
    }

    async fn serve_streams(&mut self, input: &mut Input) -> EndedBy {
        let Self {
            worker,
            listener,
            member,
            peer,
            stream,
            deadline,
            ..
        } = self;
        let origin = Origin {
            worker,
            listener,
            member,
            peer: *peer,
            scheme: stream.scheme(),
            identity: stream.identity(&|it| worker.policy.identify(it)),
            given_up: Rc::default(),
            stands_still: Rc::default(),
        };
        let io = Io::new(input, stream, origin.stands_still.clone());
        deadline.set_after(worker.timeouts().head);
        let opened = {
            let mut opening = pin!(settings(worker).handshake::<_, Bytes>(io));
            poll_fn(|context| match opening.as_mut().poll(context) {
                Poll::Ready(opened) => Poll::Ready(opened.ok()),
                Poll::Pending => deadline.poll(context).map(|()| None),
            })
            .await
        };
        let Some(connection) = opened else {
            return EndedBy::Us;
        };
        deadline.lift();
        origin.serve(connection, deadline).await
    }
}

fn settings<P: Policy, D: Dial>(worker: &Worker<P, D>) -> Builder {
    let mut settings = Builder::new();
    settings
        .max_concurrent_streams(HTTP2_MAX_STREAMS)
        .max_header_list_size(u32::try_from(worker.limits().header_size).unwrap_or(u32::MAX))
        .initial_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buffer_size(HTTP2_SEND_BUFFER)
        .enable_connect_protocol();
    settings
}

/// Who has ended a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndedBy {
    Client,
    Us,
    /// The client takes nothing any more.
    Standstill,
}

/// What a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Its streams.
    Busy,
    /// A stream.
    Idle,
}

impl<P: Policy, D: Dial> Origin<'_, P, D> {
    async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut connection: h2::server::Connection<T, Bytes>,
        deadline: &mut Deadline,
    ) -> EndedBy {
        let (mut served, mut is_ending, mut wait) = (0u64, false, Wait::Busy);
        let ended = poll_fn(|context| {
            loop {
                match connection.poll_accept(context) {
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        served += 1;
                        self.open(request, respond);
                        continue;
                    }
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(EndedBy::Us),
                    Poll::Ready(None) if is_ending => return Poll::Ready(EndedBy::Us),
                    Poll::Ready(None) => return Poll::Ready(EndedBy::Client),
                    Poll::Pending => {}
                }
                if self.given_up.get() > HTTP2_UNANSWERED_RESETS {
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                    self.given_up.set(0);
                    is_ending = true;
                    continue;
                }
                if !is_ending && (self.member.is_closing() || self.has_had_enough(served)) {
                    is_ending = true;
                    // What it waits for has another bound from here on.
                    wait = Wait::Busy;
                    connection.graceful_shutdown();
                    continue;
                }
                match (connection.has_streams(), wait) {
                    (true, Wait::Idle) => {
                        wait = Wait::Busy;
                        self.member.end_wait();
                        deadline.lift();
                    }
                    (false, Wait::Busy) => {
                        wait = Wait::Idle;
                        let timeouts = self.worker.timeouts();
                        deadline.set_after(match is_ending {
                            true => timeouts.linger,
                            false => timeouts.keep_alive,
                        });
                        self.member.begin_idle(self.worker.ticks());
                    }
                    _ => {}
                }
                if wait == Wait::Busy {
                    return self.poll_standstill(context, deadline);
                }
                if self.member.is_evicted() {
                    return Poll::Ready(EndedBy::Us);
                }
                if deadline.poll(context).is_pending() {
                    return Poll::Pending;
                }
                if std::mem::replace(&mut is_ending, true) {
                    return Poll::Ready(EndedBy::Us);
                }
                // Streams that are on their way are still served.
                connection.graceful_shutdown();
                deadline.set_after(self.worker.timeouts().linger);
            }
        })
        .await;
        self.member.end_wait();
        ended
    }

    /// Ready once the client has taken nothing for too long: streams end when their bytes are here.
    fn poll_standstill(&self, context: &mut Context<'_>, deadline: &mut Deadline) -> Poll<EndedBy> {
        let Some(since) = self.stands_still.get() else {
            deadline.lift();
            return Poll::Pending;
        };
        deadline.set(since + self.worker.timeouts().send);
        deadline.poll(context).map(|()| EndedBy::Standstill)
    }

    fn has_had_enough(&self, served: u64) -> bool {
        let limit = self.worker.limits().requests_per_connection;
        limit.is_some_and(|limit| served >= u64::from(limit))
    }

    /// Serves one stream on a task of its own.
    fn open(&self, request: Request<h2::RecvStream>, respond: SendResponse<Bytes>) {
        let carrier = Carrier {
            scheme: self.scheme,
            identity: self.identity.clone(),
        };
        let mut connection = Connection {
            worker: self.worker.clone(),
            listener: self.listener.clone(),
            member: self.member.beside(self.worker),
            peer: self.peer,
            stream: Http2Stream::new(request, respond, carrier, self.given_up.clone()),
            deadline: Deadline::default(),
            half_closed: None,
        };
        let ending = connection.member.ending();
        let serving = async move { connection.serve().await };
        ending(tokio::task::spawn_local(serving).abort_handle());
    }
}
