//! The client while its request is worked on: what it sends ahead is kept, that it sends no more is
//! respected, and that it is gone ends the request.
//!
//! A client may end its sending side once its request is complete and read on (a half-close). On
//! the wire that is a FIN, and so is a close: which of the two it is shows only later. So an end is
//! taken for a half-close as long as the request is complete, the exchange goes on, and pipelined
//! requests are all answered. That the client is gone for good is noticed
//! - at once when the connection is reset;
//! - at once when something is written to it: the system of a socket that was closed answers with a reset;
//! - while nothing is written, by the probes of [`Stream::watch`];
//! - and else not before the answer's deadline, which holds in any case.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use super::body::{SendState, Sending};
use super::exchange::Exchanging;
use crate::policy::{Fault, Policy};
use crate::stream::{Dial, Stream};

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Watches a client from whom nothing is needed: what it sends is kept. Ready only once it is gone.
    pub(super) fn poll_client(&mut self, context: &mut Context<'_>) -> Poll<Fault> {
        while self.connection.half_closed.is_none() && !self.input.is_full() {
            let client = &mut self.connection.stream;
            match self.input.poll_read(client, context) {
                Poll::Ready(Ok(0)) if self.may_be_whole() => {
                    self.connection.half_closed = Some(self.connection.stream.watch());
                }
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Fault::ClientGone),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        match &mut self.connection.half_closed {
            Some(broken) => broken.as_mut().poll(context).map(|()| Fault::ClientGone),
            None => Poll::Pending,
        }
    }

    /// Does `work` for the client, unless it goes away before.
    pub(super) async fn unless_gone<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll_client(context).map(Err),
        })
        .await
    }

    /// Whether a client that sends no more may have sent all of its request. Of one that the
    /// instance has stopped taking, the rest does not matter: it may be answered nevertheless.
    fn may_be_whole(&self) -> bool {
        let mut rest = Sending::new(&self.traits);
        match self.sending.state() {
            SendState::Sent | SendState::Broken => true,
            SendState::Flowing => rest.skip(self.input).is_ok() && rest.is_received(),
        }
    }
}
