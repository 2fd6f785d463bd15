//! The data plane without listeners and threads: connections that somebody else has made, over any stream.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::accept::open;
use crate::group::Group;
use crate::limits::{Limits, MAX_CONNECTIONS, Timeouts};
use crate::policy::Policy;
use crate::stream::{Dial, Stream};
use crate::worker::Worker;

/// One thread's worth of the data plane, within whatever task serves its connections. They share
/// their connections to instances, which `D` makes.
pub struct Local<P: Policy, D: Dial> {
    worker: Rc<Worker<P, D>>,
    group: Rc<Group>,
}

impl<P: Policy, D: Dial> Local<P, D> {
    /// A data plane without connections.
    pub fn new(policy: P, dial: D, timeouts: Timeouts) -> Self {
        Self {
            worker: Rc::new(Worker::new(policy, dial, timeouts, MAX_CONNECTIONS)),
            group: Rc::default(),
        }
    }

    /// Changes the limits, for what comes from now on.
    pub fn set_limits(&self, limits: Limits) {
        self.worker.set_limits(limits);
    }

    /// Serves a client's connection to its end. Cancelling it breaks the connection off.
    pub async fn serve<S: Stream>(&self, listener: P::Listener, peer: SocketAddr, stream: S) {
        open(&self.worker, &self.group, listener, peer, stream, None)
            .serve()
            .await;
    }
}
