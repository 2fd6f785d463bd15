//! Connections to instances: made within a bound, kept for reuse, never trusted to be still open.

mod pool;

use std::io;
use std::task::{Context, Poll};

use tokio::time::timeout_at;

use crate::Policy;
use crate::buffer::Input;
use crate::policy::{Fault, Reuse, Target};
use crate::socket::is_exhausted;
use crate::stream::{Dial, Stream};
use crate::worker::Worker;
pub(crate) use pool::Pool;

/// A connection that carries a request.
pub(crate) struct Upstream<S> {
    pub(crate) stream: S,
    pub(crate) origin: Origin,
    /// Bytes of the answer, not used yet.
    pub(crate) input: Input,
}

/// Where a connection came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was made for this request.
    Fresh,
    /// It has carried others.
    Reused,
}

impl<S: Stream> Upstream<S> {
    /// Reads once; 0 is the end of the stream.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.poll_read(&mut self.stream, context)
    }
}

impl<P: Policy, D: Dial> Worker<P, D> {
    /// A connection to `target` from the pool, if that is allowed and one is fit.
    pub(crate) fn reuse(&self, target: Target) -> Option<Upstream<D::Stream>> {
        let stream = match target.reuse {
            Reuse::Never => None,
            reuse => self
                .upstreams
                .take(target.address, reuse, self.now().into_std()),
        };
        Some(self.upstream(stream?, Origin::Reused))
    }

    /// A new connection to `target`, by `due` at the latest.
    pub(crate) async fn connect(
        &self,
        target: Target,
        due: Option<tokio::time::Instant>,
    ) -> Result<Upstream<D::Stream>, Fault> {
        let limit = tokio::time::Instant::now() + self.timeouts().connect;
        let until = due.map_or(limit, |due| due.min(limit));
        match timeout_at(until, self.dial.dial(target.address)).await {
            Ok(Ok(stream)) => Ok(self.upstream(stream, Origin::Fresh)),
            Ok(Err(error)) if is_exhausted(&error) => Err(Fault::Exhausted),
            Ok(Err(error)) => Err(Fault::Connect(error.kind())),
            Err(_) if until < limit => Err(Fault::Deadline),
            Err(_) => Err(Fault::ConnectTimeout),
        }
    }

    fn upstream(&self, stream: D::Stream, origin: Origin) -> Upstream<D::Stream> {
        Upstream {
            stream,
            origin,
            input: self.buffers.input(),
        }
    }
}
