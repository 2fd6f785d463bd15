//! The console's listener: bounded connections, bounded waits, and a graceful end.
//!
//! `axum::serve` accepts without bound and waits for ever, so the connections are ours. A peer that
//! has shown the token is trusted; when all places are taken, the oldest one that is not gives way
//! to the next to come, so that whoever holds connections open without a word keeps nobody out.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use polity_runtime::{Drain, drain, task};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::api;
use crate::guard::{Guard, Peer};
use crate::system::System;
use crate::token::Token;

/// How many clients at once. Each is a command line or a dashboard, not traffic.
pub(crate) const MAX_CONNECTIONS: usize = 128;

/// From a connection's start, or the last answer on it, to the end of the next request's head.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What of a connection is held in memory, at most, in either direction.
const MAX_BUFFER: usize = 64 * 1024;

/// How long clients have to take their last lines once the console stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after the system had no descriptor left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The admin API, bound to its address and not yet answering.
pub struct Console {
    listener: TcpListener,
    router: Router,
    ending: drain::DrainTrigger,
    connections: Drain,
}

/// Why the console has no listener.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not listen on {address} for the console: free it or choose another by `console.listen`"
)]
pub struct BindError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl Console {
    /// Takes the address, and answers nothing before [`Console::run`]. Port 0 takes a free one;
    /// the address in force is returned.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub fn bind(
        listen: SocketAddr,
        token: Token,
        system: Arc<dyn System>,
    ) -> Result<(Self, SocketAddr), BindError> {
        let failed = |source| BindError {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let guard = Guard {
            token,
            listen: address,
        };
        let (ending, connections) = drain::channel();
        let console = Self {
            listener,
            router: api::router(system, guard, connections.clone()),
            ending,
            connections,
        };
        Ok((console, address))
    }

    /// Answers until `drain` begins. Streams end then, operations that were begun go on without
    /// their clients, and every connection has a few seconds to finish.
    ///
    /// Drain the console last: who follows the logs sees the others' last words.
    pub async fn run(self, drain: Drain) {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the admin API could not start");
                return;
            }
        };
        let mut clients = Clients::default();
        loop {
            // Cancelling either loses nothing: a connection not accepted stays in the kernel's queue.
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = drain.signaled() => break,
            };
            match accepted {
                Ok((stream, _)) => clients.admit(|peer| {
                    serve(stream, self.router.clone(), peer, self.connections.clone())
                }),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the admin API could not take a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((listener, self.connections, self.router));
        let finished = tokio::time::timeout(DRAIN_TIMEOUT, self.ending.drained()).await;
        if finished.is_err() {
            tracing::warn!("clients of the admin API did not finish in time and are cut off");
        }
        clients.abort_all();
    }
}

/// The connections under way, oldest first.
#[derive(Default)]
struct Clients(VecDeque<(Peer, JoinHandle<Option<()>>)>);

impl Clients {
    /// Serves a new connection, in place of the oldest that showed no token when all places are
    /// taken; when all showed it, the new one is dropped.
    fn admit<F>(&mut self, serve: impl FnOnce(Peer) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.retain(|(_, task)| !task.is_finished());
        if self.0.len() >= MAX_CONNECTIONS {
            let Some(oldest) = self.0.iter().position(|(peer, _)| !peer.is_trusted()) else {
                tracing::warn!("the admin API has all its {MAX_CONNECTIONS} connections in use");
                return;
            };
            if let Some((_, task)) = self.0.remove(oldest) {
                task.abort();
            }
        }
        let peer = Peer::default();
        let task = task::spawn("console-connection", serve(peer.clone()));
        self.0.push_back((peer, task));
    }

    fn abort_all(self) {
        for (_, task) in self.0 {
            task.abort();
        }
    }
}

async fn serve(stream: TcpStream, router: Router, peer: Peer, drain: Drain) {
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The connection is not lost: it is polled on below.
        () = drain.signaled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that went away or sent nonsense; nobody has to act.
        tracing::debug!(%error, "a connection to the admin API broke");
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
