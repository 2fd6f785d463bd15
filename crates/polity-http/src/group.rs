//! A listener's connections on one thread: who they are, which may be closed for others, and how they end.

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

/// Connections that are closed at once to make room, of those that may be: an eighth, within this.
/// All are looked through for the longest waiting, which one at a time would be too dear.
const MAX_EVICTED: usize = 32;

/// The ticks that a client has for the rest of a head before its connection may be closed for
/// another: a second. Heads come in one piece or a few, however far the client is.
const HEAD_GRACE: u32 = 4;

/// The connections.
#[derive(Default)]
pub(crate) struct Group {
    phase: Cell<Phase>,
    /// Told when no more are accepted.
    pub(crate) closed: Notify,
    /// Somebody waits for a place.
    wanted: Cell<bool>,
    next: Cell<u64>,
    /// Keys are counted here, so the hash need not be secret.
    members: RefCell<HashMap<u64, Rc<Member>, FixedState>>,
    /// How many of them are no connections, but served beside one.
    beside: Cell<usize>,
    /// The task that accepts them, if there is one.
    acceptor: OnceCell<AbortHandle>,
}

/// How far a group is on its way to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Open,
    /// No more are accepted, and each connection ends with its next request.
    Retired,
    /// As well, and those that are idle end at once.
    Closing,
}

struct Member {
    waker: OnceCell<Waker>,
    abort: OnceCell<AbortHandle>,
    /// What it waits for, and the thread's tick since when.
    waits: Cell<(Wait, u32)>,
    evicted: Cell<bool>,
}

/// What a connection waits for that may be closed for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For nothing: it is busy.
    No,
    /// For a request: it is idle.
    Request,
    /// For the rest of a request's head.
    Head,
}

/// A connection's place in its group, given up when dropped.
pub(crate) struct Membership {
    group: Rc<Group>,
    key: u64,
    member: Rc<Member>,
    leave: Box<dyn Fn()>,
    is_beside: bool,
    /// Its place among those of its address.
    _of_peer: Option<peers::Place>,
}

impl Group {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.members.borrow().len() - self.beside.get()
    }

    /// Whether no more are accepted.
    pub(crate) fn is_closing(&self) -> bool {
        self.phase.get() != Phase::Open
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

    /// Stops accepting; connections end with the request they are at, or else with their next one. A
    /// client whose idle connection is closed may have just sent a request over it.
    pub(crate) fn retire(&self) {
        self.phase.set(self.phase.get().max(Phase::Retired));
        self.closed.notify_waiters();
    }

    /// Stops accepting; connections end with the request they are at, and idle ones now.
    pub(crate) fn close(&self) {
        self.phase.set(Phase::Closing);
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

    /// Has some of the connections closed that have been idle for longest; where none is, of those
    /// that have sent part of a head, and nothing else for a while. It is `tick` of the thread.
    pub(crate) fn make_room(&self, tick: u32) {
        let members = self.members.borrow();
        let waiting = |wait, until| {
            let waiting = members.iter().filter_map(move |(key, member)| {
                let since = member.waits_for(wait)?;
                (since <= until).then_some((since, *key))
            });
            waiting.collect::<Vec<_>>()
        };
        let mut chosen = waiting(Wait::Request, tick);
        if chosen.is_empty() {
            chosen = waiting(Wait::Head, tick.saturating_sub(HEAD_GRACE));
        }
        let count = (chosen.len() / 8).clamp(1, MAX_EVICTED);
        if count < chosen.len() {
            chosen.select_nth_unstable(count);
            chosen.truncate(count);
        }
        for member in chosen.iter().filter_map(|(_, key)| members.get(key)) {
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
    fn new() -> Self {
        Self {
            waker: OnceCell::new(),
            abort: OnceCell::new(),
            waits: Cell::new((Wait::No, 0)),
            evicted: Cell::new(false),
        }
    }

    /// Since when it waits for this, unless it has been told to make room already.
    fn waits_for(&self, wait: Wait) -> Option<u32> {
        let (waits, since) = self.waits.get();
        (waits == wait && !self.evicted.get()).then_some(since)
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

impl Membership {
    /// A place of its own for what is served beside this connection.
    pub(crate) fn beside<P: Policy, D: Dial>(&self, worker: &Rc<Worker<P, D>>) -> Membership {
        self.group.beside.set(self.group.beside.get() + 1);
        let mut place = join(worker, &self.group, None);
        place.is_beside = true;
        place
    }

    /// Whether the connection ends with the request it is at.
    pub(crate) fn is_closing(&self) -> bool {
        self.group.is_closing()
    }

    /// Whether it ends now if it is at none.
    pub(crate) fn ends_idle(&self) -> bool {
        self.group.phase.get() == Phase::Closing
    }

    /// It waits for a request, from `tick` of its thread on.
    pub(crate) fn begin_idle(&self, tick: u32) {
        self.member.waits.set((Wait::Request, tick));
        if self.group.wanted.get() {
            (self.leave)();
        }
    }

    /// It waits for the rest of a head, from `tick` of its thread on.
    pub(crate) fn begin_head(&self, tick: u32) {
        self.member.waits.set((Wait::Head, tick));
    }

    /// The wait is over.
    pub(crate) fn end_wait(&self) {
        self.member.waits.set((Wait::No, 0));
        self.member.evicted.set(false);
    }

    /// Whether it is to make room, as long as it waits.
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
        if self.is_beside {
            self.group.beside.set(self.group.beside.get() - 1);
        }
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
    let member = Rc::new(Member::new());
    group.members.borrow_mut().insert(key, member.clone());
    let worker = worker.clone();
    Membership {
        group: group.clone(),
        key,
        member,
        leave: Box::new(move || worker.note_change()),
        is_beside: false,
        _of_peer: of_peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the connections that wait so are closed, over and over, at `tick`.
    fn evicted(waits: &[(Wait, u32)], tick: u32) -> Vec<usize> {
        let group = Group::default();
        let members: Vec<_> = waits.iter().map(|_| Rc::new(Member::new())).collect();
        for (key, member) in members.iter().enumerate() {
            member.waits.set(waits[key]);
            let mut all = group.members.borrow_mut();
            all.insert(key as u64, member.clone());
        }
        let mut order = Vec::new();
        for _ in waits {
            group.make_room(tick);
            let evicted = members
                .iter()
                .enumerate()
                .filter(|(_, it)| it.evicted.get());
            let new: Vec<_> = evicted.map(|(key, _)| key).collect();
            let new = new.into_iter().filter(|key| !order.contains(key));
            order.extend(new.collect::<Vec<_>>());
        }
        order
    }

    #[test]
    fn the_longest_idle_make_room_first_then_heads_that_came_no_further() {
        use Wait::{Head, No, Request};
        let waits = [
            (Head, 3),
            (Request, 9),
            (No, 0),
            (Head, 2),
            (Request, 8),
            (Head, 7),
        ];
        assert_eq!(evicted(&waits, 10), [4, 1, 3, 0]);
        assert_eq!(evicted(&waits, 11), [4, 1, 3, 0, 5]);
    }
}
