//! A listener's connections on one thread: who they are, which are idle, and how they end.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use foldhash::fast::FixedState;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::peers;
use crate::policy::Policy;
use crate::stream::Dial;
use crate::worker::Worker;

/// Idle connections that are closed at once to make room, of those there are: an eighth, within
/// this. All are looked through for the longest idle, which one at a time would be too dear.
const MAX_EVICTED: usize = 32;

const NOT_IDLE: u32 = u32::MAX;

/// The connections.
#[derive(Default)]
pub(crate) struct Group {
    closing: Cell<bool>,
    /// Told when it begins to close.
    pub(crate) closed: Notify,
    /// Somebody waits for a place.
    wanted: Cell<bool>,
    next: Cell<u64>,
    /// Keys are counted here, so the hash need not be secret.
    members: RefCell<HashMap<u64, Rc<Member>, FixedState>>,
    /// The task that accepts them, if there is one.
    acceptor: OnceCell<AbortHandle>,
}

struct Member {
    waker: OnceCell<Waker>,
    abort: OnceCell<AbortHandle>,
    /// The thread's tick since which it has waited for a request.
    idle_since: Cell<u32>,
    evicted: Cell<bool>,
}

/// A connection's place in its group, given up when dropped.
pub(crate) struct Membership {
    group: Rc<Group>,
    key: u64,
    member: Rc<Member>,
    leave: Box<dyn Fn()>,
    /// Its place among those of its address.
    _of_peer: Option<peers::Place>,
}

impl Group {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.members.borrow().len()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Notes the task that accepts connections, once.
    pub(crate) fn set_acceptor(&self, acceptor: AbortHandle) {
        // There is one for each group.
        let _ = self.acceptor.set(acceptor);
    }

    /// Whether there is no connection, and none will come.
    pub(crate) fn has_ended(&self) -> bool {
        let accepts = self.acceptor.get().is_some_and(|task| !task.is_finished());
        !accepts && self.members.borrow().is_empty()
    }

    /// Stops accepting; connections end with the request they are at.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.closed.notify_waiters();
        self.members.borrow().values().for_each(|it| it.wake());
    }

    /// Ends accepting and all connections now; returns how many there were of these.
    pub(crate) fn abort(&self) -> usize {
        self.acceptor.get().inspect(|task| task.abort());
        let members = self.members.borrow();
        members
            .values()
            .filter_map(|member| member.abort.get())
            .for_each(AbortHandle::abort);
        members.len()
    }

    /// Has some of the connections closed that have been idle for longest.
    pub(crate) fn make_room(&self) {
        let members = self.members.borrow();
        let idle = members.iter().filter(|(_, member)| member.is_idle());
        let mut idle: Vec<_> = idle.map(|(key, it)| (it.idle_since.get(), *key)).collect();
        let count = (idle.len() / 8).clamp(1, MAX_EVICTED);
        if count < idle.len() {
            idle.select_nth_unstable(count);
            idle.truncate(count);
        }
        for member in idle.iter().filter_map(|(_, key)| members.get(key)) {
            member.evicted.set(true);
            member.wake();
        }
    }

    /// Whether somebody waits for a connection to end, or at least to become idle.
    pub(crate) fn set_wanted(&self, wanted: bool) {
        self.wanted.set(wanted);
    }
}

impl Member {
    fn is_idle(&self) -> bool {
        self.idle_since.get() != NOT_IDLE && !self.evicted.get()
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

impl Membership {
    /// Whether the listener is closing.
    pub(crate) fn is_closing(&self) -> bool {
        self.group.is_closing()
    }

    /// It waits for a request, from `tick` of its thread on.
    pub(crate) fn begin_idle(&self, tick: u32) {
        self.member.idle_since.set(tick);
        if self.group.wanted.get() {
            (self.leave)();
        }
    }

    /// The wait is over.
    pub(crate) fn end_idle(&self) {
        self.member.idle_since.set(NOT_IDLE);
        self.member.evicted.set(false);
    }

    /// Whether it is to make room, as long as it is idle.
    pub(crate) fn is_evicted(&self) -> bool {
        self.member.evicted.get()
    }

    /// Remembers how to wake the connection's task, once: it stays the same as long as the task lives.
    pub(crate) async fn note_waker(&self) {
        poll_fn(|context| {
            // A second time would bring the same.
            let _ = self.member.waker.set(context.waker().clone());
            Poll::Ready(())
        })
        .await;
    }

    /// How to end it at once.
    pub(crate) fn ending(&self) -> impl FnOnce(AbortHandle) + use<> {
        let member = self.member.clone();
        move |abort| {
            // There is one task for each connection.
            let _ = member.abort.set(abort);
        }
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

/// A new member; `of_peer` is given up with it.
pub(crate) fn join<P: Policy, D: Dial>(
    worker: &Rc<Worker<P, D>>,
    group: &Rc<Group>,
    of_peer: Option<peers::Place>,
) -> Membership {
    let key = group.next.get();
    group.next.set(key + 1);
    let member = Rc::new(Member {
        waker: OnceCell::new(),
        abort: OnceCell::new(),
        idle_since: Cell::new(NOT_IDLE),
        evicted: Cell::new(false),
    });
    group.members.borrow_mut().insert(key, member.clone());
    let worker = worker.clone();
    Membership {
        group: group.clone(),
        key,
        member,
        leave: Box::new(move || worker.note_change()),
        _of_peer: of_peer,
    }
}
