//! What is left of an answer that was not accepted: read over, so that its connection can be used again.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::time::timeout;

use super::Exchanging;
use crate::connection::body::{SendState, Transfer};
use crate::head::request::{Asks, HeaderSpace};
use crate::head::{Framing, ResponseHead};
use crate::limits::{MAX_DRAINED, MAX_HEADERS};
use crate::policy::Policy;
use crate::stream::{Dial, Stream};
use crate::upstream::Upstream;
use crate::worker::Worker;

/// A connection whose answer nobody wants.
pub(super) struct Draining<S> {
    upstream: Upstream<S>,
    body: Transfer,
    /// Bytes that were read over, with what frames them.
    skipped: u64,
}

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Keeps the connection for another request once its answer has been read over: at once where all of
    /// it is there, as of most errors; by the side of what goes on meanwhile, where it comes soon.
    pub(super) fn recycle(&self, upstream: Upstream<D::Stream>, address: SocketAddr) {
        let worker = &self.connection.worker;
        let was_sent = self.sending.state() == SendState::Sent;
        let draining = Draining::begin(upstream, self.traits.asks).filter(|_| was_sent);
        let Some(mut draining) = draining else { return };
        match draining.skip() {
            Ok(true) => draining.put(worker, address),
            Ok(false) => {
                let (worker, patience) = (worker.clone(), worker.timeouts().gather);
                tokio::task::spawn_local(async move {
                    let read = poll_fn(|context| draining.poll(context));
                    if let Ok(Ok(())) = timeout(patience, read).await {
                        draining.put(&worker, address);
                    }
                });
            }
            // Where the next answer would begin is not known.
            Err(()) => {}
        }
    }
}

impl<S: Stream> Draining<S> {
    /// None where the connection ends with the answer, or that is too long to be worth it.
    pub(super) fn begin(mut upstream: Upstream<S>, asks: Asks) -> Option<Self> {
        let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let (head, length) = ResponseHead::parse(upstream.input.data(), &mut space).ok()??;
        let framing = head.framing(asks);
        let is_short = match framing {
            Framing::Length(length) => length <= MAX_DRAINED,
            Framing::UntilClose => false,
            Framing::None | Framing::Chunked => true,
        };
        if !is_short || !head.keeps_alive() {
            return None;
        }
        upstream.input.consume(length);
        Some(Self {
            upstream,
            body: Transfer::new(framing, Framing::None),
            skipped: 0,
        })
    }

    /// Reads over what is there. True once that was all of it.
    fn skip(&mut self) -> Result<bool, ()> {
        let skipped = self.body.skip(self.upstream.input.data()).map_err(drop)?;
        self.upstream.input.consume(skipped);
        self.skipped += skipped as u64;
        match self.skipped <= MAX_DRAINED {
            true => Ok(self.body.has_ended()),
            false => Err(()),
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while !self.skip()? {
            match ready!(self.upstream.poll_read(context)) {
                Ok(read) if read > 0 => {}
                _ => return Poll::Ready(Err(())),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn put<P: Policy, D: Dial<Stream = S>>(
        self,
        worker: &Rc<Worker<P, D>>,
        address: SocketAddr,
    ) {
        if self.upstream.input.is_empty() {
            worker.keep(address, self.upstream.stream);
        }
    }
}
