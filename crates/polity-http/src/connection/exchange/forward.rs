//! An answer's body on its way to the client, while the rest of the request may still be on its own.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use tokio::time::Instant as TimerInstant;

use super::Exchanging;
use crate::connection::body::Transfer;
use crate::policy::{Exchange, Fault, Policy};
use crate::stream::{Dial, Stream, poll_write_both};
use crate::upstream::Upstream;

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Forwards the answer's body, and what is left of the request's.
    pub(super) async fn forward(
        &mut self,
        upstream: &mut Upstream<D::Stream>,
        transfer: &mut Transfer,
    ) -> Result<(), Fault> {
        let mut armed = None;
        poll_fn(|context| {
            let before = transfer.bytes;
            let passed = self.poll_answer_body(context, upstream, transfer);
            self.exchange.answer_bytes = transfer.bytes;
            if let Poll::Ready(result) = passed {
                return Poll::Ready(result);
            }
            if let Poll::Ready(fault) = self.poll_request(context, upstream) {
                return Poll::Ready(Err(fault));
            }
            if let Poll::Ready(fault) = self.poll_idle_client(context) {
                return Poll::Ready(Err(fault));
            }
            let timeouts = self.connection.worker.timeouts();
            let unwritten = self.unwritten(upstream, transfer);
            let blocked = unwritten > 0;
            let progress = (unwritten, self.sending.bytes(), self.unsent());
            if before != transfer.bytes || armed != Some(progress) {
                armed = Some(progress);
                let (demand, now) = (timeouts.of_answer(), self.connection.worker.now());
                let taken = transfer.bytes.saturating_sub(unwritten as u64);
                let due = match blocked {
                    true => self.pace.wait(demand, taken, now),
                    false => {
                        self.pace.rest(demand, taken, now);
                        now + timeouts.stream_idle
                    }
                };
                let end = self.ends_by();
                self.connection
                    .deadline
                    .set(end.map_or(due, |end| end.min(due)));
            }
            self.connection.deadline.poll(context).map(|()| {
                Err(match blocked {
                    _ if self.ends_by().is_some_and(|end| end <= TimerInstant::now()) => {
                        Fault::Deadline
                    }
                    true => Fault::ClientTooSlow,
                    false => Fault::Idle,
                })
            })
        })
        .await
    }

    fn poll_answer_body(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut Upstream<D::Stream>,
        transfer: &mut Transfer,
    ) -> Poll<Result<(), Fault>> {
        let malformed = |_| Fault::Answer("the body is malformed");
        loop {
            let used = transfer.pass(upstream.input.data(), &mut self.to_client, |name| {
                self.exchange.keeps_of_answer(name)
            });
            upstream.input.consume(used.map_err(malformed)?);
            if self.unwritten(upstream, transfer) > 0 {
                ready!(self.poll_flush_body(context, upstream, transfer))?;
                // Behind what was left where it is, there may be more.
                continue;
            }
            if transfer.has_ended() {
                return Poll::Ready(Ok(()));
            }
            match ready!(upstream.poll_read(context)) {
                Ok(0) => {
                    let ended = transfer.end_of_stream(&mut self.to_client);
                    ended.map_err(|_| Fault::Broke)?;
                }
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(Fault::Broke)),
            }
        }
    }

    /// Bytes of the answer that the client has not taken yet.
    fn unwritten(&self, upstream: &Upstream<D::Stream>, transfer: &Transfer) -> usize {
        self.to_client.pending().len() + transfer.loose(upstream.input.data()).len()
    }

    /// Writes all that is to be written.
    fn poll_flush_body(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut Upstream<D::Stream>,
        transfer: &mut Transfer,
    ) -> Poll<Result<(), Fault>> {
        loop {
            let (head, loose) = (
                self.to_client.pending(),
                transfer.loose(upstream.input.data()),
            );
            if head.is_empty() && loose.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let client = &mut self.connection.stream;
            let Ok(written) = ready!(poll_write_both(client, context, head, loose)) else {
                return Poll::Ready(Err(Fault::ClientGone));
            };
            let of_input = self.to_client.wrote(written);
            transfer.wrote_loose(of_input);
            upstream.input.consume(of_input);
            self.forwarded = true;
        }
    }
}
