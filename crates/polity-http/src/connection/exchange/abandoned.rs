//! An attempt that has lost a race: followed until its instance is through with it, by the side of what goes on.
//!
//! Few servers notice that nobody waits any more: to close the connection would end what is known of the work,
//! and not the work. So the attempt is known to be one until its answer comes, and its connection is
//! kept where the rest of that comes soon.

use std::cell::Cell;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, timeout, timeout_at};

use super::drain::Draining;
use super::{Exchanging, broken};
use crate::connection::head::{UNASKED, Waiting};
use crate::head::request::{Asks, HeaderSpace};
use crate::limits::{MAX_ABANDONED, MAX_FOLLOWED, MAX_HEADERS, TICK};
use crate::policy::{Abandoned, Fault, Policy};
use crate::stream::{Dial, Stream};
use crate::upstream::Upstream;
use crate::worker::Worker;

/// An attempt on its way to the head of an answer.
struct Following<S> {
    upstream: Upstream<S>,
    waiting: Waiting,
    asks: Asks,
    abandoned: Box<dyn Abandoned>,
}

/// One of the [`MAX_ABANDONED`] of a thread.
struct Place<P: Policy, D: Dial>(Rc<Worker<P, D>>);

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Follows an attempt that was sent until it is answered, or should have been.
    pub(super) fn follow(
        &self,
        upstream: Upstream<D::Stream>,
        address: SocketAddr,
        waiting: Waiting,
        abandoned: Box<dyn Abandoned>,
        due: Option<Instant>,
    ) {
        let Some(place) = Place::take(&self.connection.worker) else {
            return;
        };
        let last = Instant::now() + MAX_FOLLOWED;
        let due = due.map_or(last, |due| due.min(last));
        let following = Following {
            upstream,
            waiting,
            asks: self.traits.asks,
            abandoned,
        };
        tokio::task::spawn_local(async move { following.run(&place.0, address, due).await });
    }
}

impl<S: Stream> Following<S> {
    async fn run<P: Policy, D: Dial<Stream = S>>(
        mut self,
        worker: &Rc<Worker<P, D>>,
        address: SocketAddr,
        due: Instant,
    ) {
        match self.head(due).await {
            Some(Ok(())) => {
                let patience = worker.timeouts().gather;
                if let Some(mut draining) = Draining::begin(self.upstream, self.asks)
                    && let Ok(Ok(())) = timeout(patience, poll_fn(|it| draining.poll(it))).await
                {
                    draining.put(worker, address);
                }
            }
            Some(Err(fault)) => self.abandoned.failed(&fault, Instant::now().into_std()),
            None => {}
        }
    }

    /// Waits for the head of the answer; none once nobody wants to know any more.
    async fn head(&mut self, due: Instant) -> Option<Result<(), Fault>> {
        loop {
            let now = Instant::now();
            if now >= due {
                return Some(Err(Fault::Deadline));
            }
            let look = due.min(now + TICK);
            match timeout_at(look, poll_fn(|context| self.poll_head(context))).await {
                Ok(ended) => return Some(ended),
                Err(_) if !self.abandoned.matters() => return None,
                Err(_) => {}
            }
        }
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            if self.waiting.is_due(self.upstream.input.data()) && self.take_head()? {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.upstream.poll_read(context)) {
                Ok(read) if read > 0 => {}
                _ => return Poll::Ready(Err(broken(&self.upstream, &self.waiting))),
            }
        }
    }

    /// Whether the final head is there.
    fn take_head(&mut self) -> Result<bool, Fault> {
        loop {
            let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            let input = self.upstream.input.data();
            let Some((head, length)) = self.waiting.parse(input, &mut space)? else {
                return Ok(false);
            };
            if head.status == 101 {
                return Err(UNASKED);
            }
            if !head.is_interim() {
                self.abandoned.answered(&head, Instant::now().into_std());
                return Ok(true);
            }
            self.waiting.note_interim()?;
            self.upstream.input.consume(length);
        }
    }
}

impl<P: Policy, D: Dial> Place<P, D> {
    fn take(worker: &Rc<Worker<P, D>>) -> Option<Self> {
        let taken = worker.abandoned.get();
        (taken < MAX_ABANDONED).then(|| {
            worker.abandoned.set(taken + 1);
            Self(worker.clone())
        })
    }
}

impl<P: Policy, D: Dial> Drop for Place<P, D> {
    fn drop(&mut self) {
        let count: &Cell<usize> = &self.0.abandoned;
        count.set(count.get() - 1);
    }
}
