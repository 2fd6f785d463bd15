//! One request: attempts until an answer is on its way or none is to be had, and the answer to its end.

mod abandoned;
mod drain;
mod encode;
mod file;
mod finish;
mod forward;
mod race;
mod waits;

use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::time::Instant as TimerInstant;

use super::answer::{Part, write_answer};
use super::begun::Begun;
use super::body::{SendState, Sending, Transfer};
use super::head::{AnswerHead, Waiting};
use super::request::{Started, Traits, rewrite};
use super::{After, Connection};
use crate::buffer::{Input, Output};
use crate::head::request::Asks;
use crate::head::{Framing, Version};
use crate::pace::Pace;
use crate::policy::{Answer, Exchange, Fault, Here, Next, Policy, Replay, Speaks, Target};
use crate::stream::{Dial, Stream, poll_write_from};
use crate::upstream::{Origin, Upstream};

/// A request on its way through a client's connection.
pub(super) struct Exchanging<'c, P: Policy, D: Dial, S: Stream> {
    pub(super) connection: &'c mut Connection<P, D, S>,
    /// From the client: this request's head and body, then the next requests.
    pub(super) input: &'c mut Input,
    pub(super) exchange: &'c mut Begun<P::Exchange>,
    pub(super) traits: Traits,
    pub(super) sending: Sending,
    pub(super) to_upstream: &'c mut Output,
    pub(super) to_client: Output,
    first: Option<Result<Target, Here>>,
    /// When the answer must have begun, over all attempts; known once the request is all there.
    pub(super) answer_due: Option<TimerInstant>,
    /// The same for one attempt, where there is a time for it.
    attempt_due: Option<TimerInstant>,
    /// Where in `to_client` the final answer begins, as long as not a byte of it has been written.
    pub(super) final_head: Option<usize>,
    /// Whether a byte of the final answer has been written.
    forwarded: bool,
    /// The client's, with what is waited for from it: its body, and then that it takes the answer.
    pub(super) pace: Pace,
    /// Whether the client has been told to go on, by a 100.
    pub(super) permitted: bool,
}

impl<'c, P: Policy, D: Dial, S: Stream> Exchanging<'c, P, D, S> {
    pub(super) fn new(
        connection: &'c mut Connection<P, D, S>,
        input: &'c mut Input,
        started: &'c mut Started<P::Exchange>,
    ) -> Self {
        let traits = started.traits;
        let to_client = connection.worker.buffers.output();
        Self {
            connection,
            input,
            exchange: &mut started.exchange,
            traits,
            sending: Sending::new(&traits),
            to_upstream: &mut started.output,
            to_client,
            first: started.next.take(),
            answer_due: None,
            attempt_due: None,
            final_head: None,
            forwarded: false,
            pace: Pace::default(),
            permitted: false,
        }
    }

    /// Drives the request to its end.
    pub(super) async fn run(&mut self) -> After {
        let (after, fault) = self.attempts().await;
        self.connection.deadline.lift();
        // An abandoned request keeps its client's connection from being used again, so what is
        // left in the input does not matter then.
        self.sending.abandon();
        self.sending.release(self.input);
        self.exchange.fault = fault;
        self.exchange.ended = Some(self.connection.worker.now().into_std());
        after
    }

    async fn attempts(&mut self) -> (After, Option<Fault>) {
        let mut next = self.first.take().unwrap_or_else(|| self.exchange.next());
        let mut last = None;
        loop {
            let target = match next {
                Ok(target) => target,
                Err(Here::Answer(answer)) => return (self.answer(&answer).await, last),
                Err(Here::Later(finding)) => return Box::pin(self.answer_found(finding)).await,
            };
            let attempt = match last.is_some() && self.is_overdue() {
                true => Err(Fault::Deadline),
                false => self.attempt(target).await,
            };
            let fault = match attempt {
                Ok(ended) => return ended,
                Err(Fault::ClientGone) => return (After::Close, Some(Fault::ClientGone)),
                Err(fault) => fault,
            };
            let replay = match fault {
                Fault::ClientTooSlow | Fault::Body(_) | Fault::BodyTooLarge => Replay::Impossible,
                Fault::Refused => {
                    self.sending.was_not_taken();
                    self.sending.replay()
                }
                _ => self.sending.replay(),
            };
            match self.exchange.failed(&fault, replay) {
                Next::Again(pause) if replay != Replay::Impossible => {
                    if !self.sending.is_received() {
                        // The wait was for an answer of an instance that took no more of it.
                        self.answer_due = None;
                    }
                    self.attempt_due = None;
                    self.sending.start_over(&self.traits);
                    if !self.pause(pause).await {
                        return (After::Close, Some(Fault::ClientGone));
                    }
                    next = self.exchange.next();
                    rewrite(&**self.exchange, self.input.data(), self.to_upstream);
                    self.take_back_answer();
                    last = Some(fault);
                }
                // A policy that would send again what is no longer there is a policy in error.
                Next::Again(_) => return (After::Close, Some(fault)),
                Next::Give(answer) => return (self.answer(&answer).await, Some(fault)),
            }
        }
    }

    /// One attempt; an error while not a byte of a final answer has been forwarded.
    async fn attempt(&mut self, mut target: Target) -> Result<(After, Option<Fault>), Fault> {
        if self.traits.framing == Framing::None {
            self.note_received();
        }
        let (mut upstream, answered);
        match self.time_to_hedge() {
            Some(after) => (upstream, answered) = Box::pin(self.race(&mut target, after)).await?,
            None => {
                let reached = match self.connection.worker.reuse(target) {
                    Some(upstream) => upstream,
                    // Boxed, as all that is rare: every connection has room for what is not.
                    None => Box::pin(self.connect(target)).await?,
                };
                upstream = self.translated(reached, target);
                answered = self.await_answer(&mut upstream).await;
            }
        }
        let head = match answered {
            Err(Fault::Unwanted) => {
                self.recycle(upstream, target.address);
                return Err(Fault::Unwanted);
            }
            answered => answered?,
        };
        self.exchange.status = Some(head.status);
        self.pace = Pace::default();
        self.connection.deadline.lift();
        if head.status == 101 {
            return Ok(Box::pin(self.upgraded(upstream)).await);
        }
        let mut transfer = Transfer::new(head.from, head.to);
        let passed_on = match head.encoded {
            false => self.forward(&mut upstream, &mut transfer).await,
            true => Box::pin(self.encode(&mut upstream, head.from)).await,
        };
        match passed_on {
            Ok(()) => {
                transfer.each_trailer(|name, value| self.exchange.trailer(name, value));
                self.finish_request(&mut upstream, &head).await;
                if head.reusable
                    && self.sending.state() == SendState::Sent
                    && upstream.input.is_empty()
                {
                    let worker = &self.connection.worker;
                    worker.keep(target.address, upstream.stream);
                }
                Ok((self.after(&head), None))
            }
            // The answer fell apart within the bytes that its head came with, or the request has
            // turned out to be one that gets no such answer.
            Err(fault @ (Fault::Broke | Fault::Answer(_) | Fault::BodyTooLarge))
                if !self.forwarded =>
            {
                self.exchange.status = None;
                self.exchange.answer_bytes = 0;
                Err(fault)
            }
            // What the system still holds for a client that does not take it would stay there.
            Err(Fault::ClientTooSlow) => Ok((After::Reset, Some(Fault::ClientTooSlow))),
            // Closing is what tells a client that an answer with a length, or in chunks, is cut
            // short; where closing is the end of the body, only a reset does.
            Err(fault) if head.to == Framing::UntilClose => Ok((After::Reset, Some(fault))),
            Err(fault) => Ok((After::Close, Some(fault))),
        }
    }

    async fn connect(&mut self, target: Target) -> Result<Upstream<D::Stream>, Fault> {
        let worker = self.connection.worker.clone();
        let connecting = worker.connect(target, self.due());
        match self.unless_gone(connecting).await? {
            Err(Fault::Deadline) => Err(self.late()),
            connected => connected,
        }
    }

    /// With a translator before it, where the target says so.
    fn translated(&self, upstream: Upstream<D::Stream>, target: Target) -> Upstream<D::Stream> {
        if target.speaks != Speaks::Translated {
            return upstream;
        }
        match self.exchange.translator() {
            Some(translator) => Upstream {
                stream: upstream.stream.translated_by(translator),
                ..upstream
            },
            None => upstream,
        }
    }

    fn after(&self, head: &AnswerHead) -> After {
        match (self.sending.is_received(), head.keeps_alive) {
            (true, true) => After::KeepAlive,
            // A client that did not ask for the end may have sent its next request, which is not read
            // yet: closing then would be a reset, and cost it what it has not read of this answer.
            (true, false) if self.is_all_read() && !self.traits.keeps_alive => After::Close,
            _ => After::Linger,
        }
    }

    /// Forgets a final answer of which nothing was written. Interim ones stay: one may be written in
    /// part, and what comes next would be taken for the rest of it.
    fn take_back_answer(&mut self) {
        if let Some(start) = self.final_head.take() {
            self.to_client.buffer().truncate(start);
        }
    }

    /// Whether the client has sent nothing that was not used.
    fn is_all_read(&self) -> bool {
        self.sending.is_received() && self.sending.unused(self.input) == 0
    }

    /// Sends the request and waits for the head of the final answer, written to `to_client` then.
    async fn await_answer(
        &mut self,
        upstream: &mut Upstream<D::Stream>,
    ) -> Result<AnswerHead, Fault> {
        let mut waiting = Waiting::default();
        self.arm_for_sending();
        poll_fn(|context| self.poll_in_time(context, upstream, &mut waiting)).await
    }

    /// The same, once all is ready for it.
    fn poll_in_time(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut Upstream<D::Stream>,
        waiting: &mut Waiting,
    ) -> Poll<Result<AnswerHead, Fault>> {
        loop {
            if let Poll::Ready(answer) = self.poll_answer(context, upstream, waiting) {
                return Poll::Ready(answer);
            }
            if self.connection.deadline.poll(context).is_pending() {
                return Poll::Pending;
            }
            if !self.awaits_permission() {
                break;
            }
            self.permit();
            self.arm_for_sending();
        }
        Poll::Ready(match self.give_up_gathering(upstream, waiting) {
            Ok(Some(head)) => Ok(head),
            Ok(None) => Err(self.overdue()),
            Err(fault) => Err(fault),
        })
    }

    fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut Upstream<D::Stream>,
        waiting: &mut Waiting,
    ) -> Poll<Result<AnswerHead, Fault>> {
        loop {
            if let Poll::Ready(Err(fault)) = self.poll_flush(context) {
                return Poll::Ready(Err(fault));
            }
            if let Poll::Ready(fault) = self.poll_request(context, upstream) {
                return Poll::Ready(Err(fault));
            }
            match upstream.poll_read(context) {
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(_) => return Poll::Ready(Err(broken(upstream, waiting))),
                Poll::Pending => return self.poll_idle_client(context).map(Err),
            }
            if !waiting.is_due(upstream.input.data()) {
                continue;
            }
            match self.take_answer(upstream, waiting) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(fault)),
            }
        }
    }

    /// Bytes of the request that the instance has not taken yet.
    pub(super) fn unsent(&self) -> usize {
        self.to_upstream.pending().len() + self.sending.unwritten(self.input).len()
    }

    /// Goes on sending the request. Ready only with a fault of the client's.
    fn poll_request(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut Upstream<D::Stream>,
    ) -> Poll<Fault> {
        if self.sending.state() != SendState::Flowing {
            return Poll::Pending;
        }
        let before = (self.sending.bytes(), self.unsent());
        let sent = self.sending.poll(
            context,
            &mut self.connection.stream,
            self.input,
            &mut upstream.stream,
            self.to_upstream,
            |name| self.exchange.keeps(name),
        );
        self.exchange.request_bytes = self.sending.bytes();
        match sent {
            Poll::Ready(Err(fault)) => return Poll::Ready(fault),
            Poll::Ready(Ok(())) => {
                self.note_received();
                self.arm_if_waiting();
            }
            Poll::Pending if before != (self.sending.bytes(), self.unsent()) => {
                self.arm_if_waiting();
            }
            Poll::Pending => {}
        }
        Poll::Pending
    }

    /// Watches the client, once sending its request does not. Ready only with a fault of the client's.
    fn poll_idle_client(&mut self, context: &mut Context<'_>) -> Poll<Fault> {
        match self.sending.state() {
            SendState::Flowing => Poll::Pending,
            SendState::Sent | SendState::Broken => self.poll_client(context),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while !self.to_client.pending().is_empty() {
            let client = &mut self.connection.stream;
            match poll_write_from(client, context, self.to_client.pending()) {
                Poll::Ready(Ok(written)) => {
                    self.to_client.wrote(written);
                    self.forwarded = self.exchange.status.is_some();
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Fault::ClientGone)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the client's connection can carry another request once this one is answered here. What has
    /// come of its body is read over.
    fn keeps_alive_here(&mut self) -> bool {
        let whole = self.sending.skip(self.input).is_ok() && self.sending.is_received();
        let Traits {
            keeps_alive,
            may_go_on,
            ..
        } = self.traits;
        whole && keeps_alive && may_go_on && !self.connection.member.is_closing()
    }

    /// Gives an answer made here.
    async fn answer(&mut self, answer: &Answer) -> After {
        let keeps_alive = self.keeps_alive_here();
        let part = match self.traits.asks {
            Asks::Head => Part::Head,
            Asks::Answer | Asks::Upgrade => Part::Whole,
        };
        let option = connection_option(keeps_alive, self.traits.version);
        self.take_back_answer();
        write_answer(answer, part, option, self.to_client.buffer());
        self.exchange.status = Some(answer.status);
        self.exchange.answer_bytes = answer.body.len() as u64;
        let flushed = self.connection.flush(&mut self.to_client).await;
        match (flushed, keeps_alive) {
            (false, _) => After::Close,
            (true, true) => After::KeepAlive,
            (true, false) => After::Linger,
        }
    }
}

/// What has gone wrong where an instance ended its connection.
fn broken<S>(upstream: &Upstream<S>, waiting: &Waiting) -> Fault {
    if let Some(fault) = upstream.stream.fault() {
        return fault;
    }
    match upstream.origin {
        Origin::Reused if upstream.input.is_empty() && !waiting.has_answered() => Fault::Stale,
        _ => Fault::Broke,
    }
}

/// What to say of the connection (RFC 9112, section 9.3): only what is not the version's default.
pub(super) fn connection_option(keeps_alive: bool, version: Version) -> Option<&'static str> {
    match (keeps_alive, version) {
        (false, _) => Some("close"),
        (true, Version::Http10) => Some("keep-alive"),
        (true, Version::Http11) => None,
    }
}
