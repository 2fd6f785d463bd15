//! The shared connections to one address.

use std::cell::{OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::connection::{Shared, connect};
use super::stream::Http2Stream;
use crate::limits::HTTP2_MAX_UPSTREAM;
use crate::policy::Fault;
use crate::stream::Dial;

/// The connections, and that which is being made.
#[derive(Default)]
pub(super) struct Host {
    connections: RefCell<Vec<Rc<Shared>>>,
    opening: RefCell<Option<Rc<Opening>>>,
}

/// A connection that is being made, and who waits for it. It is made on a task of its own: the request that
/// began it may be given up before the others.
#[derive(Default)]
struct Opening {
    outcome: OnceCell<Result<(), Fault>>,
    done: Notify,
}

impl Host {
    /// A stream of a connection that is there: one that has room, or the least busy once there are as
    /// many as there may be.
    pub(super) fn take(&self) -> Option<Http2Stream> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_usable());
        let with_room = connections.iter().find(|connection| connection.has_room());
        let chosen = match with_room {
            None if connections.len() >= HTTP2_MAX_UPSTREAM => {
                connections.iter().min_by_key(|it| it.streams())
            }
            found => found,
        };
        chosen.map(Http2Stream::new)
    }

    /// The same, with a new connection if need be.
    pub(super) async fn open<D: Dial>(
        self: &Rc<Self>,
        dial: &D,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<Http2Stream, Fault> {
        loop {
            if let Some(stream) = self.take() {
                return Ok(stream);
            }
            self.opening(dial, address, patience).wait().await?;
        }
    }

    /// Ends what is idle for too long. Whether there is anything left.
    pub(super) fn sweep(&self, now: Instant, max_age: Duration) -> bool {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|it| it.is_usable() && !it.is_idle_for(max_age, now));
        !connections.is_empty() || self.opening.borrow().is_some()
    }

    /// The connection that is being made; begins to make one where none is.
    fn opening<D: Dial>(
        self: &Rc<Self>,
        dial: &D,
        address: SocketAddr,
        patience: Duration,
    ) -> Rc<Opening> {
        let mut opening = self.opening.borrow_mut();
        let opening = opening.get_or_insert_with(|| {
            let opening = Rc::<Opening>::default();
            let (host, begun, dial) = (self.clone(), opening.clone(), dial.clone());
            tokio::task::spawn_local(async move {
                let made = timeout(patience, connect(&dial, address)).await;
                let made = made.unwrap_or(Err(Fault::ConnectTimeout));
                *host.opening.borrow_mut() = None;
                begun.end(made.map(|connection| {
                    host.connections.borrow_mut().push(connection);
                }));
            });
            opening
        });
        opening.clone()
    }
}

impl Opening {
    /// Cancelling it loses nothing.
    async fn wait(&self) -> Result<(), Fault> {
        loop {
            let done = self.done.notified();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            done.await;
        }
    }

    fn end(&self, outcome: Result<(), Fault>) {
        // It ends once.
        let _ = self.outcome.set(outcome);
        self.done.notify_waiters();
    }
}
