//! Closing a connection so that the client gets what it was sent: closing with bytes unread is a reset.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::Connection;
use crate::buffer::Input;
use crate::limits::MAX_LINGER_BYTES;
use crate::policy::Policy;
use crate::stream::{Dial, Stream};

impl<P: Policy, D: Dial, S: Stream> Connection<P, D, S> {
    /// Ends the sending side; what the client sends is not expected to be anything.
    async fn close(&mut self) {
        self.deadline.set_after(self.worker.timeouts().linger);
        // A failure means that the client has closed already.
        poll_fn(
            |context| match Pin::new(&mut self.stream).poll_shutdown(context) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => self.deadline.poll(context),
            },
        )
        .await;
    }

    /// Ends the sending side and reads on for a while, throwing away what comes.
    pub(super) async fn linger(&mut self, input: &mut Input) {
        self.close().await;
        self.deadline.set_after(self.worker.timeouts().linger);
        let mut left = MAX_LINGER_BYTES;
        poll_fn(|context| {
            while left > 0 {
                input.consume(input.len());
                match input.poll_read(&mut self.stream, context) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(read)) => left = left.saturating_sub(read),
                    Poll::Pending => return self.deadline.poll(context),
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}
