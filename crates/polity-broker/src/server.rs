//! The listener: as many connections as the bound allows, the longest idle one making room for the next.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use polity_runtime::{Drain, drain, task};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::connection::{self, Client};
use crate::limits::{ACCEPT_PAUSE, DRAIN_TIMEOUT, MAX_CONNECTIONS, WARNING_INTERVAL};
use crate::node::Node;

/// When a connection was last used, by a count of requests over all connections.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    requests: Arc<AtomicU64>,
    used: Arc<Used>,
}

#[derive(Debug, Default)]
struct Used {
    last: AtomicU64,
    has_asked: AtomicBool,
}

impl Activity {
    /// Of a connection that has just come.
    pub(crate) fn new(requests: &Arc<AtomicU64>) -> Self {
        let activity = Self {
            requests: requests.clone(),
            used: Arc::default(),
        };
        activity.is_now();
        activity
    }

    /// A request has come.
    pub(crate) fn touch(&self) {
        self.is_now();
        self.used.has_asked.store(true, Ordering::Relaxed);
    }

    fn is_now(&self) {
        let now = self.requests.fetch_add(1, Ordering::Relaxed);
        self.used.last.store(now, Ordering::Relaxed);
    }

    /// How many requests had come before the last on this connection.
    pub(crate) fn last(&self) -> u64 {
        self.used.last.load(Ordering::Relaxed)
    }

    fn has_asked(&self) -> bool {
        self.used.has_asked.load(Ordering::Relaxed)
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
    warned: Option<Instant>,
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

    /// Forgets those that have ended; when none has, closes the one that was used the longest ago. Were
    /// most of the places taken by connections that have not asked for anything yet, whoever opens many of
    /// them could have all others closed: then it is one of theirs.
    fn make_room(&mut self) {
        self.by_id.retain(|_, (_, task)| !task.is_finished());
        if self.by_id.len() < MAX_CONNECTIONS {
            return;
        }
        let silent = self.by_id.values().filter(|(it, _)| !it.has_asked());
        let are_most_silent = silent.count() > MAX_CONNECTIONS / 2;
        let clients = self.by_id.iter();
        let clients = clients.filter(|(_, (it, _))| !are_most_silent || !it.has_asked());
        let idlest = clients.min_by_key(|(_, (it, _))| it.last());
        let idlest = idlest.map(|(id, _)| *id);
        if let Some((_, task)) = idlest.and_then(|id| self.by_id.remove(&id)) {
            task.abort();
            self.warn();
        }
    }

    /// Not of each: those who connect over and over would fill the disk with it.
    fn warn(&mut self) {
        if self
            .warned
            .is_some_and(|at| at.elapsed() < WARNING_INTERVAL)
        {
            return;
        }
        self.warned = Some(Instant::now());
        tracing::warn!(
            "all {MAX_CONNECTIONS} connections of Kafka clients are in use: those idle longest are closed"
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As many as there may be, of which the first so many have asked for something since.
    fn full(asked: usize) -> Clients {
        let mut clients = Clients::default();
        for id in 0..MAX_CONNECTIONS as u64 {
            let activity = Activity::new(&clients.requests);
            if id < asked as u64 {
                activity.touch();
            }
            let task = task::spawn("kafka-connection", std::future::pending());
            clients.by_id.insert(id, (activity, task));
        }
        clients
    }

    /// Which one makes room.
    fn closed(mut clients: Clients) -> u64 {
        clients.make_room();
        let is_gone = |id: &u64| !clients.by_id.contains_key(id);
        let closed: Vec<_> = (0..MAX_CONNECTIONS as u64).filter(is_gone).collect();
        assert_eq!(closed.len(), 1);
        closed[0]
    }

    #[tokio::test]
    async fn many_who_only_connect_close_nobody_who_has_asked_for_something() {
        assert_eq!(closed(full(100)), 100);
    }

    #[tokio::test]
    async fn where_most_have_asked_the_idlest_makes_room() {
        assert_eq!(closed(full(MAX_CONNECTIONS - 1)), 0);
        assert_eq!(closed(full(MAX_CONNECTIONS)), 0);
    }
}
