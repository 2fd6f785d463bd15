//! Idle connections of one thread, the latest used first, none older than an origin would keep it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;

use crate::limits::MAX_IDLE_UPSTREAM;
use crate::policy::Reuse;
use crate::stream::Stream;

/// A thread's idle connections by address. Addresses come from the plan and the catalog and clients
/// add none, so the hash need not be secret.
pub(crate) struct Pool<S> {
    idle: RefCell<HashMap<SocketAddr, Vec<Idle<S>>, FixedState>>,
    max_age: Duration,
}

struct Idle<S> {
    stream: S,
    since: Instant,
}

impl<S: Stream> Pool<S> {
    pub(crate) fn new(max_age: Duration) -> Self {
        Self {
            idle: RefCell::default(),
            max_age,
        }
    }

    /// The connection to `address` that was used last, if one is fit.
    pub(crate) fn take(&self, address: SocketAddr, reuse: Reuse, now: Instant) -> Option<S> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(&address)?;
        while let Some(Idle { stream, since }) = connections.pop() {
            if now.saturating_duration_since(since) >= self.max_age {
                // Those below are older still.
                connections.clear();
                return None;
            }
            let stale = match reuse {
                Reuse::Certain => stream.is_stale(),
                Reuse::Likely | Reuse::Never => stream.looks_stale(),
            };
            if !stale {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection whose last answer is complete.
    pub(crate) fn put(&self, address: SocketAddr, stream: S, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.entry(address).or_default();
        if connections.len() < MAX_IDLE_UPSTREAM {
            connections.push(Idle { stream, since: now });
        }
    }

    /// Closes what is too old.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain(|idle| now.saturating_duration_since(idle.since) < self.max_age);
            !connections.is_empty()
        });
    }
}
