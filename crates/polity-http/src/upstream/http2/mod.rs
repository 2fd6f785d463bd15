//! HTTP/2 to instances (RFC 9113), by prior knowledge: requests share connections, each a stream of one.
//!
//! A stream takes a request and gives its answer in the form of HTTP/1.1, as a connection of its own would, so
//! that all that is known about attempts (deadlines, second attempts, what is refused) is known once. What an
//! instance sends is read by the same strict parser as if it had come so.

mod answer;
mod connection;
mod greeting;
mod host;
mod request;
mod stream;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;

use crate::policy::Fault;
use crate::stream::Dial;
use host::Host;
pub(crate) use stream::Http2Stream;

/// A thread's shared connections by address. As for those of one request each, the hash need not be
/// secret.
#[derive(Default)]
pub(crate) struct Http2Pool {
    hosts: RefCell<HashMap<SocketAddr, Rc<Host>, FixedState>>,
}

impl Http2Pool {
    /// A stream of a connection that is there, if one has room.
    pub(crate) fn take(&self, address: SocketAddr) -> Option<Http2Stream> {
        self.hosts.borrow().get(&address)?.take()
    }

    /// A stream to `address`, of a new connection if need be, which is given up after `patience`.
    pub(crate) async fn open<D: Dial>(
        &self,
        dial: &D,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<Http2Stream, Fault> {
        let host = self.hosts.borrow_mut().entry(address).or_default().clone();
        host.open(dial, address, patience).await
    }

    /// Ends the connections that have had no stream for `max_age`, and forgets those that have ended.
    pub(crate) fn sweep(&self, now: Instant, max_age: Duration) {
        self.hosts
            .borrow_mut()
            .retain(|_, host| host.sweep(now, max_age) || Rc::strong_count(host) > 1);
    }
}
