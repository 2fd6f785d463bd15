//! The listener: as many connections as the bound allows, the longest idle one making room for the next.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polity_runtime::{Drain, drain, task};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::connection::{self, Client};
use crate::limits::{ACCEPT_PAUSE, DRAIN_TIMEOUT, MAX_CONNECTIONS};
use crate::node::Node;

/// When a connection was last used, by a count of requests over all connections.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    requests: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
}

impl Activity {
    /// Of a connection that has just come.
    pub(crate) fn new(requests: &Arc<AtomicU64>) -> Self {
        let activity = Self {
            requests: requests.clone(),
            last: Arc::default(),
        };
        activity.touch();
        activity
    }

    /// A request has come.
    pub(crate) fn touch(&self) {
        let now = self.requests.fetch_add(1, Ordering::Relaxed);
        self.last.store(now, Ordering::Relaxed);
    }
}

/// Accepts connections and serves them until `drain` begins; then each answers what it was asked, for a
/// few seconds at most.
pub(crate) async fn run(listener: TcpListener, node: Arc<Node>, drain: &Drain) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "events could not be listened for");
            return;
        }
    };
    let (ending, connections) = drain::channel();
    let mut clients = Clients::default();
    loop {
        // Cancelling either loses nothing: a connection not accepted stays in the kernel's queue.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.signaled() => break,
        };
        match accepted {
            Ok((stream, peer)) => clients.admit(stream, peer, &node, &connections),
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "could not take a connection of a Kafka client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, connections));
    node.stop_waiting();
    if tokio::time::timeout(DRAIN_TIMEOUT, ending.drained())
        .await
        .is_err()
    {
        tracing::warn!("Kafka clients did not take their answers in time and are cut off");
    }
    clients.abort_all();
}

/// The connections under way.
#[derive(Default)]
struct Clients {
    requests: Arc<AtomicU64>,
    next_id: u64,
    by_id: HashMap<u64, (Activity, JoinHandle<Option<()>>)>,
}

impl Clients {
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr, node: &Arc<Node>, drain: &Drain) {
        // Without it a small answer waits for the acknowledgement of the one before.
        let prepared = stream.set_nodelay(true).and_then(|()| stream.local_addr());
        let Ok(local) = prepared else {
            return; // It is gone already.
        };
        if self.by_id.len() >= MAX_CONNECTIONS {
            self.make_room();
        }
        let activity = Activity::new(&self.requests);
        let client = Client { peer, local };
        let serving = connection::serve(
            stream,
            client,
            node.clone(),
            activity.clone(),
            drain.clone(),
        );
        let task = task::spawn("kafka-connection", serving);
        self.by_id.insert(self.next_id, (activity, task));
        self.next_id += 1;
    }

    /// Forgets those that have ended; when none has, closes the one that was used the longest ago.
    fn make_room(&mut self) {
        self.by_id.retain(|_, (_, task)| !task.is_finished());
        if self.by_id.len() < MAX_CONNECTIONS {
            return;
        }
        let last =
            |(_, (activity, _)): &(&u64, &(Activity, _))| activity.last.load(Ordering::Relaxed);
        let idlest = self.by_id.iter().min_by_key(last).map(|(id, _)| *id);
        if let Some((_, task)) = idlest.and_then(|id| self.by_id.remove(&id)) {
            tracing::warn!(
                "all {MAX_CONNECTIONS} connections of Kafka clients are in use: the one idle longest is closed"
            );
            task.abort();
        }
    }

    fn abort_all(self) {
        for (_, task) in self.by_id.into_values() {
            task.abort();
        }
    }
}

/// Errors of `accept` that are about one peer and gone with it (accept(2), "Error handling").
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
