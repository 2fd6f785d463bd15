//! Tunnels: after an upgrade, or for services that do not speak HTTP, bytes pass both ways as they come.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::begun::Begun;
use super::exchange::Exchanging;
use super::{After, Connection};
use crate::buffer::Input;
use crate::deadline::Deadline;
use crate::policy::{Exchange, Fault, Next, Policy, Replay};
use crate::stream::{Dial, Stream, poll_write_from};
use crate::upstream::Upstream;

/// One direction. A WebSocket that is silent for an hour costs two sockets and no buffer.
struct Flow<'c> {
    input: Input,
    state: FlowState,
    /// Where its bytes are counted.
    bytes: &'c mut u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FlowState {
    Open,
    /// The reading side has ended, which is being passed on.
    Ending,
    Ended,
}

/// Which end of a flow has failed.
enum End {
    Reader,
    Writer,
}

impl<'c> Flow<'c> {
    fn new(input: Input, bytes: &'c mut u64) -> Self {
        Self {
            input,
            state: FlowState::Open,
            bytes,
        }
    }

    /// Passes bytes on until the reading side ends, and then its end.
    fn poll<R: Stream, W: Stream>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<Result<(), End>> {
        loop {
            if !self.input.is_empty() {
                let written = ready!(poll_write_from(writer, context, self.input.data()));
                let written = written.map_err(|_| End::Writer)?;
                self.input.consume(written);
                *self.bytes += written as u64;
                continue;
            }
            match self.state {
                FlowState::Ended => return Poll::Ready(Ok(())),
                FlowState::Ending => {
                    let shut = ready!(Pin::new(&mut *writer).poll_shutdown(context));
                    shut.map_err(|_| End::Writer)?;
                    self.state = FlowState::Ended;
                }
                FlowState::Open => {
                    let read = ready!(self.input.poll_read(reader, context));
                    if read.map_err(|_| End::Reader)? == 0 {
                        self.state = FlowState::Ending;
                    }
                }
            }
        }
    }
}

/// Passes bytes both ways until both sides have ended; returns what cut it short. A half that ends
/// leaves the other open.
async fn pass_both_ways<C: Stream, U: Stream>(
    client: &mut C,
    upstream: &mut U,
    flows: (&mut Flow<'_>, &mut Flow<'_>),
    deadline: &mut Deadline,
    idle: std::time::Duration,
) -> Option<Fault> {
    let (up, down) = flows;
    let mut seen = None;
    poll_fn(|context| {
        let sent = up.poll(context, client, upstream);
        let answered = down.poll(context, upstream, client);
        match (sent, answered) {
            (Poll::Ready(Err(End::Reader)), _) | (_, Poll::Ready(Err(End::Writer))) => {
                return Poll::Ready(Some(Fault::ClientGone));
            }
            (Poll::Ready(Err(End::Writer)), _) | (_, Poll::Ready(Err(End::Reader))) => {
                return Poll::Ready(Some(Fault::Broke));
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(None),
            _ => {}
        }
        let moved = Some((*up.bytes, *down.bytes));
        if seen != moved {
            seen = moved;
            deadline.set_after(idle);
        }
        deadline.poll(context).map(|()| Some(Fault::Idle))
    })
    .await
}

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// The protocol has changed: what follows is not ours to read.
    pub(super) async fn upgraded(
        &mut self,
        mut upstream: Upstream<D::Stream>,
    ) -> (After, Option<Fault>) {
        let connection = &mut *self.connection;
        if !connection.flush(&mut self.to_client).await {
            return (After::Close, Some(Fault::ClientGone));
        }
        // What the client sent after its request belongs to the new protocol already.
        self.sending.release(self.input);
        let buffers = connection.worker.buffers.clone();
        let early = std::mem::replace(self.input, buffers.input());
        // What is tunnelled counts as the bodies.
        let mut up = Flow::new(early, &mut self.exchange.request_bytes);
        let mut down = Flow::new(upstream.input, &mut self.exchange.answer_bytes);
        let fault = pass_both_ways(
            &mut connection.stream,
            &mut upstream.stream,
            (&mut up, &mut down),
            &mut connection.deadline,
            connection.worker.timeouts().stream_idle,
        )
        .await;
        (After::Close, fault)
    }
}

impl<P: Policy, D: Dial, S: Stream> Connection<P, D, S> {
    /// Forwards the whole connection to an instance.
    pub(super) async fn tunnel_to_instance(&mut self, exchange: &mut Begun<P::Exchange>) {
        let upstream = self.connect_tunnel(exchange).await;
        exchange.fault = match upstream {
            Ok(mut upstream) => {
                let input = self.worker.buffers.input();
                let mut up = Flow::new(input, &mut exchange.request_bytes);
                let mut down = Flow::new(upstream.input, &mut exchange.answer_bytes);
                pass_both_ways(
                    &mut self.stream,
                    &mut upstream.stream,
                    (&mut up, &mut down),
                    &mut self.deadline,
                    self.worker.timeouts().stream_idle,
                )
                .await
            }
            Err(fault) => fault,
        };
        if exchange.fault.is_some() {
            self.stream.reset_on_close();
        }
    }

    /// An instance's connection; or what went wrong last, if anything was tried.
    async fn connect_tunnel(
        &self,
        exchange: &mut P::Exchange,
    ) -> Result<Upstream<D::Stream>, Option<Fault>> {
        let mut last = None;
        loop {
            let Ok(target) = exchange.next() else {
                // There is nothing to say in a protocol we do not know: the reset says it.
                self.stream.reset_on_close();
                return Err(last);
            };
            let fault = match self.worker.connect(target, None).await {
                Ok(upstream) => return Ok(upstream),
                Err(fault) => fault,
            };
            let next = exchange.failed(&fault, Replay::NotSent);
            last = Some(fault);
            match next {
                Next::Again(pause) => tokio::time::sleep(pause).await,
                Next::Give(_) => return Err(last),
            }
        }
    }
}
