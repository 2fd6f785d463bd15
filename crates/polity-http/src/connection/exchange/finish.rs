//! The rest of a request whose answer is complete already.

use std::future::poll_fn;
use std::task::Poll;

use super::Exchanging;
use crate::connection::body::SendState;
use crate::connection::head::AnswerHead;
use crate::pace::Pace;
use crate::policy::{Exchange, Policy};
use crate::stream::{Dial, Stream};
use crate::upstream::Upstream;

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Sends on what is left of the request. An origin that has answered early, with no error and
    /// no word of closing, reads on (RFC 9110, section 7.5), and may need all of it: a 202 need not
    /// wait for the work. What fails from here on only keeps the connections from being used again.
    pub(super) async fn finish_request(
        &mut self,
        upstream: &mut Upstream<D::Stream>,
        head: &AnswerHead,
    ) {
        if !head.takes_rest || self.sending.state() != SendState::Flowing {
            return;
        }
        self.pace = Pace::default();
        let mut progress = None;
        poll_fn(|context| {
            let sent = self.sending.poll(
                context,
                &mut self.connection.stream,
                self.input,
                &mut upstream.stream,
                self.to_upstream,
                |name| self.exchange.keeps(name),
            );
            self.exchange.request_bytes = self.sending.bytes();
            if sent.is_ready() {
                return Poll::Ready(());
            }
            // Whether it closes or says more than its answer: it is no longer reading.
            if upstream.poll_read(context).is_ready() {
                return Poll::Ready(());
            }
            let now = Some((self.sending.bytes(), self.unsent()));
            if std::mem::replace(&mut progress, now) != now {
                self.arm_for_sending();
            }
            self.connection.deadline.poll(context)
        })
        .await;
    }
}
