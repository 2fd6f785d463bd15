//! An exchange that is finished once, whatever becomes of its connection's task.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::panicking;
use std::time::Instant;

use crate::policy::{Exchange, Fault, Outcome};

/// An exchange, and how it has gone so far. Dropping it finishes it: a task that is cut off, or that
/// panics, gets no further than that.
pub(crate) struct Begun<E: Exchange> {
    exchange: E,
    /// The status the client is sent, once it is.
    pub(crate) status: Option<u16>,
    /// Bytes of body from the client.
    pub(crate) request_bytes: u64,
    /// Bytes of body to the client.
    pub(crate) answer_bytes: u64,
    /// What cut it short. [`Fault::CutOff`] until it is known how it ends.
    pub(crate) fault: Option<Fault>,
    /// When it ended, if that is known: else when it is dropped.
    pub(crate) ended: Option<Instant>,
}

impl<E: Exchange> Begun<E> {
    pub(crate) fn new(exchange: E) -> Self {
        Self {
            exchange,
            status: None,
            request_bytes: 0,
            answer_bytes: 0,
            fault: Some(Fault::CutOff),
            ended: None,
        }
    }
}

impl<E: Exchange> Deref for Begun<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.exchange
    }
}

impl<E: Exchange> DerefMut for Begun<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.exchange
    }
}

impl<E: Exchange> Drop for Begun<E> {
    fn drop(&mut self) {
        let mut outcome = Outcome {
            status: self.status,
            request_bytes: self.request_bytes,
            answer_bytes: self.answer_bytes,
            fault: self.fault.take(),
            ended: self.ended.unwrap_or_else(Instant::now),
        };
        if !panicking() {
            return self.exchange.finished(&outcome);
        }
        outcome.fault = Some(Fault::Panicked);
        // A second panic that left this place would end the process.
        let _ = catch_unwind(AssertUnwindSafe(|| self.exchange.finished(&outcome)));
    }
}
