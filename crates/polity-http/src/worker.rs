//! A data-plane thread's share: its policy, its bounds, its pools.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::buffer::BufferPool;
use crate::group::Group;
use crate::limits::{Limits, MAX_HEAD, MAX_HEADERS, Timeouts};
use crate::peers::Peers;
use crate::policy::Policy;
use crate::stream::Dial;
use crate::upstream::{Http2Pool, Pool};

/// What the connections of one thread share.
pub(crate) struct Worker<P: Policy, D: Dial> {
    pub(crate) policy: P,
    pub(crate) dial: D,
    timeouts: Cell<Timeouts>,
    limits: Cell<Limits>,
    /// Shared with the other threads.
    pub(crate) peers: Arc<Peers>,
    pub(crate) buffers: BufferPool,
    pub(crate) upstreams: Pool<D::Stream>,
    /// Those that requests share.
    pub(crate) shared: Http2Pool,
    /// Of one listener: clients that take all of theirs leave the calls between services room.
    max_connections: usize,
    /// When the connection that has its turn was woken: what it does then takes no time to speak of,
    /// while asking for the time at each step does.
    now: Cell<Instant>,
    /// Attempts that are followed although nobody waits for their answers.
    pub(crate) abandoned: Cell<usize>,
    /// Ticks so far: the time, as exactly as an idle connection's age has to be known.
    ticks: Cell<u32>,
    /// Told whenever a connection or accepting ends, or a connection becomes idle where that is
    /// waited for, and with every tick.
    change: Notify,
}

impl<P: Policy, D: Dial> Worker<P, D> {
    pub(crate) fn new(policy: P, dial: D, timeouts: Timeouts, max_connections: usize) -> Self {
        Self {
            policy,
            dial,
            timeouts: Cell::new(timeouts),
            limits: Cell::new(Limits {
                connections: max_connections,
                ..Limits::default()
            }),
            peers: Arc::default(),
            buffers: BufferPool::default(),
            upstreams: Pool::new(timeouts.upstream_idle),
            shared: Http2Pool::default(),
            max_connections,
            now: Cell::new(Instant::now()),
            abandoned: Cell::new(0),
            ticks: Cell::new(0),
            change: Notify::new(),
        }
    }

    /// With the clients' connections counted together with those of other threads.
    pub(crate) fn counting(self, peers: Arc<Peers>) -> Self {
        Self { peers, ..self }
    }

    /// The waits in force. They may change at any moment: no wait that has begun does.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts.get()
    }

    pub(crate) fn set_timeouts(&self, timeouts: Timeouts) {
        self.timeouts.set(timeouts);
    }

    /// The limits in force, as above.
    pub(crate) fn limits(&self) -> Limits {
        self.limits.get()
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        self.limits.set(Limits {
            connections: limits.connections.min(self.max_connections),
            header_count: limits.header_count.min(MAX_HEADERS),
            header_size: limits.header_size.min(MAX_HEAD),
            ..limits
        });
    }

    /// The time, within a connection's turn.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// A connection's turn begins.
    pub(crate) fn begin_turn(&self) {
        self.now.set(Instant::now());
    }

    pub(crate) fn ticks(&self) -> u32 {
        self.ticks.get()
    }

    /// Waits until none of these has a connection, or accepts one. Cancelling it loses nothing.
    pub(crate) async fn ended(&self, groups: &[Rc<Group>]) {
        while groups.iter().any(|group| !group.has_ended()) {
            self.changed().await;
        }
    }

    /// Closes what has been idle for too long, and says what has to be said now and then.
    pub(crate) fn tick(&self) {
        let now = Instant::now().into_std();
        self.ticks.set(self.ticks.get().wrapping_add(1));
        self.upstreams.sweep(now);
        self.shared.sweep(now, self.timeouts().upstream_idle);
        self.buffers.trim();
        self.peers.report(now);
        // Who has waited for a head may by now have waited for long enough.
        self.note_change();
        self.policy.tick();
    }

    /// Comes about once a connection has ended, or become idle where that was asked for, after this
    /// was called; or for nothing.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.change.notified()
    }

    pub(crate) fn note_change(&self) {
        self.change.notify_waiters();
    }
}
