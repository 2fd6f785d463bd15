//! A client's connection: one task that reads its requests, and drives each to its end before the next.

mod answer;
mod begun;
mod body;
mod client;
mod exchange;
mod expect;
mod head;
mod linger;
mod request;
mod tunnel;

#[cfg(test)]
pub(crate) mod tests;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::buffer::Input;
use crate::deadline::Deadline;
use crate::group::Membership;
use crate::head::{HeadError, may_be_complete};
use crate::http2::{PREFACE, is_preface};
use crate::policy::{Fault, Peer, Policy, Protocol};
use crate::stream::{Dial, Stream, Watch};
use crate::worker::Worker;
use begun::Begun;
use exchange::Exchanging;
use request::{Prepared, Started, prepare};

/// A client's connection and all it needs.
pub(crate) struct Connection<P: Policy, D: Dial, S: Stream> {
    pub(crate) worker: Rc<Worker<P, D>>,
    pub(crate) listener: P::Listener,
    pub(crate) member: Membership,
    pub(crate) peer: SocketAddr,
    pub(crate) stream: S,
    pub(crate) deadline: Deadline,
    /// Tells when the connection breaks; there once the client has ended its sending side.
    pub(crate) half_closed: Option<Watch>,
}

/// What becomes of a client's connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request is read.
    KeepAlive,
    /// It is closed: all that was sent has been read.
    Close,
    /// It is closed once the client had a chance to read the answer: bytes of it may be unread,
    /// and closing would reset the connection under the answer.
    Linger,
    /// It is reset: the client must not take what it got for the whole, or takes nothing.
    Reset,
}

/// The beginning of a wait for a request. Empty lines put it off no further: they say nothing, and a client
/// could send them for ever.
#[derive(Debug, Clone, Copy)]
struct Idle {
    since: Instant,
    /// The thread's.
    tick: u32,
}

impl Idle {
    fn begin<P: Policy, D: Dial>(worker: &Worker<P, D>) -> Self {
        Self {
            since: worker.now(),
            tick: worker.ticks(),
        }
    }
}

enum Arrival {
    /// It is in its place.
    Request,
    /// Only empty lines have come, which say nothing (RFC 9112, section 2.2).
    Nothing,
    Refused(Fault),
    Closed,
}

impl<P: Policy, D: Dial, S: Stream> Connection<P, D, S> {
    /// Serves the connection to its end.
    pub(crate) async fn serve(&mut self) {
        let worker = self.worker.clone();
        let mut serving = pin!(self.serve_turns());
        poll_fn(|context| {
            worker.begin_turn();
            serving.as_mut().poll(context)
        })
        .await;
    }

    async fn serve_turns(&mut self) {
        self.member.note_waker().await;
        match self.worker.policy.protocol(&self.listener) {
            Protocol::Http => self.serve_requests().await,
            Protocol::Tcp => Box::pin(self.serve_tunnel()).await,
        }
    }

    async fn serve_requests(&mut self) {
        let mut served = 0u64;
        let mut input = self.worker.buffers.input();
        // The request that is worked on, if any: where it is, it stays.
        let mut place = None;
        // Since when the next one is waited for.
        let mut idle = None;
        loop {
            input.skip_empty_lines();
            if input.is_empty() {
                input.rest();
                let idle = *idle.get_or_insert_with(|| Idle::begin(&self.worker));
                if !self.wait_for_request(served, idle, &mut input).await {
                    return;
                }
                continue;
            }
            let arrival = self.read_request(&mut input, &mut place).await;
            let after = match (arrival, &mut place) {
                (Arrival::Request, Some(started)) => {
                    started.traits.may_go_on = self.may_go_on(served);
                    Exchanging::new(self, &mut input, started).run().await
                }
                // Boxed, as what is rare must not make every connection larger.
                (Arrival::Refused(_), _) if served == 0 && self.begins_http2(&input) => {
                    Box::pin(self.switch_to_http2(&mut input)).await
                }
                (Arrival::Refused(fault), _) => self.refuse(input.data(), &fault).await,
                (Arrival::Nothing, _) => continue,
                (Arrival::Closed | Arrival::Request, _) => return,
            };
            place = None;
            idle = None;
            served += 1;
            match after {
                After::KeepAlive => {}
                // What is dropped is closed. Nothing of the client's is unread that was to be read.
                After::Close => return,
                After::Linger => return self.linger(&mut input).await,
                After::Reset => return self.stream.reset_on_close(),
            }
        }
    }

    /// Whether another request may follow, with `served` before this one.
    fn may_go_on(&self, served: u64) -> bool {
        let limit = self.worker.limits().requests_per_connection;
        !self.stream.is_single() && limit.is_none_or(|limit| served + 1 < u64::from(limit))
    }

    /// Reads the first bytes of a request. False when none are to come.
    async fn wait_for_request(&mut self, served: u64, idle: Idle, input: &mut Input) -> bool {
        let timeouts = self.worker.timeouts();
        let patience = match served {
            0 => timeouts.head,
            _ => timeouts.keep_alive,
        };
        self.deadline.set(idle.since + patience);
        self.member.begin_idle(idle.tick);
        let mut closing = false;
        let ready = poll_fn(|context| {
            if let Poll::Ready(read) = input.poll_read(&mut self.stream, context) {
                return Poll::Ready(read.is_ok_and(|read| read > 0));
            }
            if self.member.is_evicted() {
                return Poll::Ready(false);
            }
            if self.member.ends_idle() && !closing {
                closing = true;
                if served > 0 {
                    return Poll::Ready(false);
                }
                // Its first request may be on its way: a client takes the loss of that for a
                // failure, where it would send a later one again.
                self.deadline.set_after(self.worker.timeouts().linger);
            }
            self.deadline.poll(context).map(|()| false)
        });
        let ready = ready.await;
        self.member.end_wait();
        self.deadline.lift();
        ready
    }

    /// Reads until a request's head is whole, and asks the policy where it goes.
    async fn read_request(
        &mut self,
        input: &mut Input,
        place: &mut Option<Started<P::Exchange>>,
    ) -> Arrival {
        if !input.is_empty()
            && let Some(arrival) = self.take_request(input, place)
        {
            return arrival;
        }
        let mut begun = false;
        let arrival = loop {
            let known = input.len();
            let read = poll_fn(|context| self.poll_head(context, input, &mut begun)).await;
            match read {
                Ok(0) => break Arrival::Closed,
                Ok(_) => {
                    input.skip_empty_lines();
                    if input.is_empty() {
                        break Arrival::Nothing;
                    }
                }
                Err(Fault::ClientGone | Fault::CutOff) => break Arrival::Closed,
                Err(_) if input.is_empty() => break Arrival::Closed,
                Err(fault) => break Arrival::Refused(fault),
            }
            let may_grow = input.len() < self.worker.limits().header_size;
            if known > 0 && may_grow && !may_be_complete(input.data(), known) {
                continue;
            }
            if let Some(arrival) = self.take_request(input, place) {
                break arrival;
            }
        };
        if begun {
            self.member.end_wait();
        }
        arrival
    }

    fn begins_http2(&self, input: &Input) -> bool {
        is_preface(input.data()) || self.stream.is_http2()
    }

    /// Goes on with what begins as HTTP/2 does, to its end.
    async fn switch_to_http2(&mut self, input: &mut Input) -> After {
        let mut begun = false;
        while is_preface(input.data()) && input.len() < PREFACE.len() {
            match poll_fn(|context| self.poll_head(context, input, &mut begun)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return After::Close,
            }
        }
        self.member.end_wait();
        self.deadline.lift();
        match is_preface(input.data()) {
            true => self.serve_http2(input).await,
            // RFC 9113, section 3.4.
            false if self.stream.is_http2() => After::Close,
            false => {
                let fault = Fault::Head(HeadError::Version);
                self.refuse(input.data(), &fault).await
            }
        }
    }

    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        input: &mut Input,
        begun: &mut bool,
    ) -> Poll<Result<usize, Fault>> {
        match input.poll_read(&mut self.stream, context) {
            Poll::Ready(read) => Poll::Ready(read.map_err(|_| Fault::ClientGone)),
            Poll::Pending => {
                // Only now: most heads are whole after the first read, and need no timer.
                if !std::mem::replace(begun, true) {
                    self.deadline.set_after(self.worker.timeouts().head);
                    self.member.begin_head(self.worker.ticks());
                }
                if self.member.is_evicted() {
                    return Poll::Ready(Err(Fault::CutOff));
                }
                self.deadline
                    .poll(context)
                    .map(|()| Err(Fault::ClientTooSlow))
            }
        }
    }

    /// The request whose head is in `input`; none while it is not whole.
    fn take_request(
        &mut self,
        input: &Input,
        place: &mut Option<Started<P::Exchange>>,
    ) -> Option<Arrival> {
        let peer = Peer {
            address: self.peer,
            scheme: self.stream.scheme(),
            identity: self.stream.identity(&|it| self.worker.policy.identify(it)),
        };
        match prepare(&self.worker, &self.listener, peer, input.data(), place) {
            Prepared::Partial if input.len() >= self.worker.limits().header_size => {
                Some(Arrival::Refused(Fault::HeadTooLarge))
            }
            Prepared::Partial => None,
            Prepared::Refused(fault) => Some(Arrival::Refused(fault)),
            Prepared::Request => {
                self.deadline.lift();
                Some(Arrival::Request)
            }
        }
    }

    async fn serve_tunnel(&mut self) {
        let exchange = self.worker.policy.tunnel(&self.listener, self.peer);
        self.tunnel_to_instance(&mut Begun::new(exchange)).await;
    }
}
