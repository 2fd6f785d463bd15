//! Taking connections in: as many as there is room for, and none that a client may not have.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::group::{Group, join};
use crate::peers::{self, TooMany};
use crate::policy::Policy;
use crate::stream::{Dial, Stream};
use crate::tls::TlsStream;
use crate::worker::Worker;

/// How long accepting pauses, at most, when the system has no file descriptor, or no memory, left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener on one thread.
pub(crate) struct Acceptor<P: Policy, D: Dial> {
    pub(crate) worker: Rc<Worker<P, D>>,
    pub(crate) group: Rc<Group>,
    pub(crate) socket: TcpListener,
    pub(crate) listener: P::Listener,
}

impl<P: Policy, D: Dial> Acceptor<P, D> {
    /// Accepts connections until the group closes, and then those that the kernel holds already, as
    /// far as it can.
    pub(crate) async fn run(self) {
        let mut failing = false;
        let mut was_full = false;
        while let Some(accepted) = self.accept().await {
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    self.admit(stream, canonical(peer), &mut was_full).await;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "cannot accept connections; trying again until it works");
                    }
                    if self.group.is_closing() {
                        return;
                    }
                    self.pause().await;
                }
            }
        }
    }

    /// The next connection; none once the group closes and the kernel holds no more.
    async fn accept(&self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        if !self.group.is_closing() {
            tokio::select! {
                biased;
                accepted = self.socket.accept() => return Some(accepted),
                // Nothing is lost: what is waiting is accepted below.
                () = self.group.closed.notified() => {}
            }
        }
        // What the kernel holds is not known before the event loop has looked.
        tokio::task::yield_now().await;
        poll_fn(|context| match self.socket.poll_accept(context) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    async fn pause(&self) {
        self.group.make_room(self.worker.ticks());
        // Cancelling either loses nothing.
        tokio::select! {
            () = tokio::time::sleep(ACCEPT_PAUSE) => {}
            () = self.group.closed.notified() => {}
        }
    }

    async fn admit(&self, stream: TcpStream, peer: SocketAddr, was_full: &mut bool) {
        let Ok(of_peer) = self.place_of(peer) else {
            // A word to the client would have to be read before the close, or the close be waited
            // for, a minute in the kernel's tables: a reset is over with at once, which is what
            // matters when connections come in by the thousand.
            return stream.reset_on_close();
        };
        self.wait_for_room(was_full).await;
        match self.worker.policy.tls(&self.listener) {
            Some(config) => self.serve(TlsStream::new(stream, config), peer, of_peer),
            None => self.serve(stream, peer, of_peer),
        }
    }

    fn serve<S: Stream>(&self, stream: S, peer: SocketAddr, of_peer: Option<peers::Place>) {
        let mut connection = open(
            &self.worker,
            &self.group,
            self.listener.clone(),
            peer,
            stream,
            of_peer,
        );
        let ending = connection.member.ending();
        let serving = async move { connection.serve().await };
        ending(tokio::task::spawn_local(serving).abort_handle());
    }

    fn place_of(&self, peer: SocketAddr) -> Result<Option<peers::Place>, TooMany> {
        let (worker, address) = (&self.worker, peer.ip());
        let limit = worker.limits().connections_per_address;
        let Some(limit) = limit.filter(|_| worker.policy.counts(&self.listener, address)) else {
            return Ok(None);
        };
        let place = worker.peers.enter(address, limit);
        if place.is_err() {
            worker.peers.refused(address, limit, Instant::now());
        }
        place.map(Some)
    }

    /// Waits until there is room for one more connection, which those make that are idle, or do not
    /// get on with a head.
    async fn wait_for_room(&self, was_full: &mut bool) {
        let (worker, group) = (&self.worker, &self.group);
        loop {
            // Begun before the look: whatever happens from here on ends the wait.
            let (changed, closed) = (worker.changed(), group.closed.notified());
            if group.len() < worker.limits().connections || group.is_closing() {
                return;
            }
            if !std::mem::replace(was_full, true) {
                tracing::warn!(
                    most = worker.limits().connections,
                    "a listener has all the connections that one thread may; those that have waited \
                     for a request for longest are closed for new ones, and where none does these \
                     wait: where that is too few, raise the limit of open files (`ulimit -n`)"
                );
            }
            group.make_room(worker.ticks());
            group.set_wanted(true);
            // Cancelling either loses nothing: both are looked at again.
            tokio::select! {
                () = changed => {}
                () = closed => {}
            }
            group.set_wanted(false);
        }
    }
}

impl<P: Policy, D: Dial> Drop for Acceptor<P, D> {
    fn drop(&mut self) {
        self.worker.note_change();
    }
}

/// A connection that has been made, as a member of its group.
pub(crate) fn open<P: Policy, D: Dial, S: Stream>(
    worker: &Rc<Worker<P, D>>,
    group: &Rc<Group>,
    listener: P::Listener,
    peer: SocketAddr,
    stream: S,
    of_peer: Option<peers::Place>,
) -> Connection<P, D, S> {
    Connection {
        worker: worker.clone(),
        listener,
        member: join(worker, group, of_peer),
        peer: canonical(peer),
        stream,
        deadline: Deadline::default(),
        half_closed: None,
    }
}

/// A client that came over IPv4 to a socket of both families is an IPv4 client.
fn canonical(peer: SocketAddr) -> SocketAddr {
    (peer.ip().to_canonical(), peer.port()).into()
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
