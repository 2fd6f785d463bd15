//! A data-plane thread's share: its listeners, its connections, its pools, and how they end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::buffer::BufferPool;
use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::limits::Timeouts;
use crate::policy::Policy;
use crate::stream::{Dial, Stream};
use crate::upstream::Pool;

/// How long accepting pauses when the system has no file descriptor, or no memory, left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the connections of one thread share.
pub(crate) struct Worker<P: Policy, D: Dial> {
    pub(crate) policy: P,
    pub(crate) dial: D,
    timeouts: Cell<Timeouts>,
    pub(crate) buffers: BufferPool,
    pub(crate) upstreams: Pool<D::Stream>,
    /// Of one listener: clients that take all of theirs leave the calls between services room.
    max_connections: usize,
    /// Told whenever a connection ends.
    connection_ended: Notify,
}

/// A listener's connections on this thread.
#[derive(Default)]
pub(crate) struct Group {
    closing: Cell<bool>,
    closed: Notify,
    next: Cell<u64>,
    members: RefCell<HashMap<u64, Member>>,
}

#[derive(Default)]
struct Member {
    waker: Option<Waker>,
    abort: Option<AbortHandle>,
}

/// A connection's place in its group, given up when dropped.
pub(crate) struct Membership {
    group: Rc<Group>,
    key: u64,
    leave: Box<dyn Fn()>,
}

impl<P: Policy, D: Dial> Worker<P, D> {
    pub(crate) fn new(policy: P, dial: D, timeouts: Timeouts, max_connections: usize) -> Self {
        Self {
            policy,
            dial,
            timeouts: Cell::new(timeouts),
            buffers: BufferPool::default(),
            upstreams: Pool::new(timeouts.upstream_idle),
            max_connections,
            connection_ended: Notify::new(),
        }
    }

    /// The waits in force. They may change at any moment: no wait that has begun does.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts.get()
    }

    pub(crate) fn set_timeouts(&self, timeouts: Timeouts) {
        self.timeouts.set(timeouts);
    }

    /// Waits until none of these has a connection. Cancelling it loses nothing.
    pub(crate) async fn ended(&self, groups: &[Rc<Group>]) {
        while groups
            .iter()
            .any(|group| !group.members.borrow().is_empty())
        {
            self.connection_ended.notified().await;
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        self.upstreams.sweep(Instant::now());
    }

    fn left(&self) {
        self.connection_ended.notify_waiters();
    }
}

impl Group {
    /// Stops accepting; connections end with the request they are at.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.closed.notify_waiters();
        for member in self.members.borrow().values() {
            if let Some(waker) = &member.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Ends all connections now; returns how many there were.
    pub(crate) fn abort(&self) -> usize {
        let members = self.members.borrow();
        members
            .values()
            .filter_map(|member| member.abort.as_ref())
            .for_each(AbortHandle::abort);
        members.len()
    }
}

impl Membership {
    /// Whether the listener is closing.
    pub(crate) fn is_closing(&self) -> bool {
        self.group.closing.get()
    }

    /// Remembers how to wake the connection's task, once: it stays the same as long as the task lives.
    pub(crate) async fn note_waker(&self) {
        poll_fn(|context| {
            if let Some(member) = self.group.members.borrow_mut().get_mut(&self.key) {
                member.waker = Some(context.waker().clone());
            }
            Poll::Ready(())
        })
        .await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a connection's task panicked; its connection is closed");
        }
        self.group.members.borrow_mut().remove(&self.key);
        (self.leave)();
    }
}

/// Accepts connections until the group closes, and then those that the kernel holds already.
pub(crate) async fn accept<P: Policy, D: Dial>(
    worker: Rc<Worker<P, D>>,
    group: Rc<Group>,
    socket: TcpListener,
    listener: P::Listener,
) {
    let mut failing = false;
    let mut was_full = false;
    loop {
        if group.members.borrow().len() >= worker.max_connections {
            if !std::mem::replace(&mut was_full, true) {
                let most = worker.max_connections;
                tracing::warn!(
                    most,
                    "a listener has all the connections that one thread may; further ones wait: \
                     where that is too few, raise the limit of open files (`ulimit -n`)"
                );
            }
            worker.connection_ended.notified().await;
            continue;
        }
        let accepted = poll_fn(|context| match socket.poll_accept(context) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending if group.closing.get() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let accepted = tokio::select! {
            biased;
            accepted = accepted => accepted,
            // Nothing is lost: what is waiting is accepted in the next round.
            () = group.closed.notified() => continue,
        };
        match accepted {
            Some(Ok((stream, peer))) => {
                failing = false;
                let connection = open(&worker, &group, listener.clone(), peer, stream);
                let key = connection.member.key;
                let task = tokio::task::spawn_local(connection.serve());
                if let Some(member) = group.members.borrow_mut().get_mut(&key) {
                    member.abort = Some(task.abort_handle());
                }
            }
            Some(Err(error)) if is_of_one_connection(&error) => {}
            Some(Err(error)) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "cannot accept connections; trying again until it works");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None => return,
        }
    }
}

/// A connection that has been made, as a member of its group.
pub(crate) fn open<P: Policy, D: Dial, S: Stream>(
    worker: &Rc<Worker<P, D>>,
    group: &Rc<Group>,
    listener: P::Listener,
    peer: std::net::SocketAddr,
    stream: S,
) -> Connection<P, D, S> {
    Connection {
        worker: worker.clone(),
        listener,
        member: join(worker, group),
        peer: canonical(peer),
        stream,
        deadline: Deadline::default(),
        half_closed: None,
    }
}

pub(crate) fn join<P: Policy, D: Dial>(worker: &Rc<Worker<P, D>>, group: &Rc<Group>) -> Membership {
    let key = group.next.get();
    group.next.set(key + 1);
    group.members.borrow_mut().insert(key, Member::default());
    let worker = worker.clone();
    Membership {
        group: group.clone(),
        key,
        leave: Box::new(move || worker.left()),
    }
}

/// A client that came over IPv4 to a socket of both families is an IPv4 client.
fn canonical(peer: std::net::SocketAddr) -> std::net::SocketAddr {
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
