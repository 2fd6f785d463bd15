//! Connections to instances: made within a bound, kept for reuse, never trusted to be still open.

mod http2;
mod link;
mod pool;
mod translated;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::time::timeout_at;

use crate::Policy;
use crate::buffer::Input;
use crate::policy::{Fault, Reuse, Speaks, Target};
use crate::socket::is_exhausted;
use crate::stream::{Dial, Stream};
use crate::worker::Worker;
pub(crate) use http2::Http2Pool;
use http2::Http2Stream;
pub(crate) use link::Link;
pub(crate) use pool::Pool;

/// What carries a request.
pub(crate) struct Upstream<S> {
    pub(crate) stream: Link<S>,
    pub(crate) origin: Origin,
    /// Bytes of the answer, not used yet.
    pub(crate) input: Input,
}

/// Where a connection came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was made for this request.
    Fresh,
    /// It has carried others, or does.
    Reused,
}

impl<S: Stream> Upstream<S> {
    /// Reads once; 0 is the end of the stream.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.poll_read(&mut self.stream, context)
    }
}

impl<P: Policy, D: Dial> Worker<P, D> {
    /// A connection to `target` that is there, if that is allowed and one is fit.
    pub(crate) fn reuse(&self, target: Target) -> Option<Upstream<D::Stream>> {
        let link = match (target.reuse, target.speaks) {
            (Reuse::Never, _) => None,
            (reuse, Speaks::Http1) => {
                let now = self.now().into_std();
                self.upstreams
                    .take(target.address, reuse, now)
                    .map(Link::Own)
            }
            (Reuse::Likely, Speaks::Http2 | Speaks::Translated) => {
                self.shared.take(target.address).map(shared)
            }
            // The event loop is looked at first, which has to be waited for.
            (Reuse::Certain, Speaks::Http2 | Speaks::Translated) => None,
        };
        Some(self.upstream(link?, Origin::Reused))
    }

    /// A connection to `target`, a new one but for what is shared, by `due` at the latest.
    pub(crate) async fn connect(
        &self,
        target: Target,
        due: Option<tokio::time::Instant>,
    ) -> Result<Upstream<D::Stream>, Fault> {
        let patience = self.timeouts().connect;
        let limit = tokio::time::Instant::now() + patience;
        let until = due.map_or(limit, |due| due.min(limit));
        let connecting = async {
            match target.speaks {
                Speaks::Http1 => {
                    let dialled = self.dial.dial(target.address).await;
                    let stream = dialled.map_err(|error| not_connected(&error))?;
                    Ok((Link::Own(stream), Origin::Fresh))
                }
                Speaks::Http2 | Speaks::Translated => {
                    // What is closed by now is seen before one that is there is taken.
                    tokio::task::yield_now().await;
                    let opening = self.shared.open(&self.dial, target.address, patience);
                    let stream = opening.await?;
                    let origin = stream.origin();
                    Ok((shared(stream), origin))
                }
            }
        };
        match timeout_at(until, connecting).await {
            Ok(connected) => connected.map(|(link, origin)| self.upstream(link, origin)),
            Err(_) if until < limit => Err(Fault::Deadline),
            Err(_) => Err(Fault::ConnectTimeout),
        }
    }

    /// Keeps what has carried a request, and its whole answer, for another.
    pub(crate) fn keep(&self, address: SocketAddr, link: Link<D::Stream>) {
        match link {
            Link::Own(stream) => {
                let now = self.now().into_std();
                self.upstreams.put(address, stream, now);
            }
            // Its connection is kept as it is.
            Link::Shared(stream) => stream.finish(self.timeouts().gather),
            Link::Translated(stream) => {
                Box::new(stream.into_stream()).finish(self.timeouts().gather);
            }
        }
    }

    fn upstream(&self, stream: Link<D::Stream>, origin: Origin) -> Upstream<D::Stream> {
        Upstream {
            stream,
            origin,
            input: self.buffers.input(),
        }
    }
}

fn shared<S>(stream: Http2Stream) -> Link<S> {
    Link::Shared(Box::new(stream))
}

/// Why no connection could be made.
fn not_connected(error: &io::Error) -> Fault {
    match is_exhausted(error) {
        true => Fault::Exhausted,
        false => Fault::Connect(error.kind()),
    }
}
