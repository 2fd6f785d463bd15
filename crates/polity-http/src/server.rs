//! The data plane as the control side sees it: listeners come and go on threads that carry on.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use polity_runtime::DataPlane;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::accept::Acceptor;
use crate::group::Group;
use crate::limits::{DELAY_TICK, DELAY_WATCHED, Limits, TICK, Timeouts, max_connections};
use crate::peers::Peers;
use crate::policy::Policy;
use crate::stream::TcpDial;
use crate::worker::Worker;

/// Commands that may wait for a thread. They are listeners that come and go: one per call and thread.
const MAX_COMMANDS: usize = 4096;

/// The data plane is gone, or too busy to hear.
#[derive(Debug, thiserror::Error)]
#[error("a data-plane thread does not answer; restart Polity")]
pub struct Unreachable;

/// A listener, as [`Server::close`] names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u64);

/// The data plane. Cheap to clone.
pub struct Server<P: Policy> {
    /// The threads live as long as anyone holds this.
    plane: DataPlane,
    threads: Arc<[mpsc::Sender<Command<P::Listener>>]>,
}

impl<P: Policy> Clone for Server<P> {
    fn clone(&self) -> Self {
        Self {
            plane: self.plane.clone(),
            threads: self.threads.clone(),
        }
    }
}

enum Command<L> {
    Listen {
        id: ListenerId,
        socket: TcpListener,
        listener: L,
        listening: oneshot::Sender<io::Result<()>>,
    },
    Retire(ListenerId),
    Close(ListenerId),
    Set {
        bounds: Bounds,
        done: oneshot::Sender<()>,
    },
    Drain {
        /// None for all.
        ids: Option<Arc<[ListenerId]>>,
        bound: Duration,
        cut_short: oneshot::Sender<usize>,
    },
}

#[derive(Debug, Clone, Copy)]
enum Bounds {
    Timeouts(Timeouts),
    Limits(Limits),
}

/// How many connections of one listener the threads of `plane` serve at once, all together.
pub fn capacity(plane: &DataPlane) -> usize {
    connections_per_thread(plane).saturating_mul(plane.count())
}

fn connections_per_thread(plane: &DataPlane) -> usize {
    max_connections(getrlimit(Resource::Nofile).current, plane.count())
}

impl<P: Policy> Server<P> {
    /// Starts on every thread of `plane`; `policy` makes each thread's own.
    ///
    /// # Errors
    /// When a thread is gone.
    pub fn start<F>(plane: &DataPlane, timeouts: Timeouts, policy: F) -> Result<Self, Unreachable>
    where
        F: Fn() -> P + Clone + Send + 'static,
    {
        let max_connections = connections_per_thread(plane);
        let peers = Arc::<Peers>::default();
        let start = |index| {
            let (sender, commands) = mpsc::channel(MAX_COMMANDS);
            let (policy, peers) = (policy.clone(), peers.clone());
            let work = move || -> Pin<Box<dyn Future<Output = ()>>> {
                let worker = Worker::new(policy(), TcpDial, timeouts, max_connections);
                Box::pin(work(worker.counting(peers), commands))
            };
            plane
                .spawn(index, work)
                .then_some(sender)
                .ok_or(Unreachable)
        };
        Ok(Self {
            plane: plane.clone(),
            threads: (0..plane.count()).map(start).collect::<Result<_, _>>()?,
        })
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.plane.count()
    }

    /// Accepts connections of `socket` on thread `thread` (modulo their number), from when this
    /// returns until the id is closed. One id may stand for several sockets.
    ///
    /// # Errors
    /// When the thread is gone, or cannot watch one more socket.
    pub async fn listen(
        &self,
        id: ListenerId,
        thread: usize,
        socket: TcpListener,
        listener: P::Listener,
    ) -> io::Result<()> {
        let (listening, done) = oneshot::channel();
        let command = Command::Listen {
            id,
            socket,
            listener,
            listening,
        };
        let thread = &self.threads[thread % self.threads.len()];
        let gone = |_| io::Error::other(Unreachable);
        thread
            .send(command)
            .await
            .map_err(|_| io::Error::other(Unreachable))?;
        done.await.map_err(gone)?
    }

    /// Stops accepting; the listener's connections end with the request they are at, and those that
    /// are idle with their next one, or once they have waited too long for it.
    pub async fn retire(&self, id: ListenerId) {
        self.tell_all(|| Command::Retire(id)).await;
    }

    /// Stops accepting; the listener's connections end with the request they are at, and those that
    /// are idle now.
    pub async fn close(&self, id: ListenerId) {
        self.tell_all(|| Command::Close(id)).await;
    }

    async fn tell_all(&self, command: impl Fn() -> Command<P::Listener>) {
        for thread in self.threads.iter() {
            // A thread that is gone has closed everything.
            let _ = thread.send(command()).await;
        }
    }

    /// Changes the waits: those that begin once this returns.
    pub async fn set_timeouts(&self, timeouts: Timeouts) {
        self.set(Bounds::Timeouts(timeouts)).await;
    }

    /// Changes the limits: for what comes once this returns. Connections that there are already are
    /// counted to their addresses only if a limit was in force when they came.
    pub async fn set_limits(&self, limits: Limits) {
        self.set(Bounds::Limits(limits)).await;
    }

    async fn set(&self, bounds: Bounds) {
        let mut all_done = Vec::new();
        for thread in self.threads.iter() {
            let (done, changed) = oneshot::channel();
            // A thread that is gone has nothing left to bound.
            let _ = thread.send(Command::Set { bounds, done }).await;
            all_done.push(changed);
        }
        for changed in all_done {
            // As above.
            let _ = changed.await;
        }
    }

    /// Closes all listeners and waits, for `bound` at most, until all connections have ended;
    /// returns how many were cut short.
    pub async fn drain(&self, bound: Duration) -> usize {
        self.drain_each(None, bound).await
    }

    /// The same for some listeners, closed ones included; the others go on.
    pub async fn drain_listeners(&self, ids: Arc<[ListenerId]>, bound: Duration) -> usize {
        self.drain_each(Some(ids), bound).await
    }

    async fn drain_each(&self, ids: Option<Arc<[ListenerId]>>, bound: Duration) -> usize {
        let mut answers = Vec::new();
        for thread in self.threads.iter() {
            let (cut_short, answer) = oneshot::channel();
            let command = Command::Drain {
                ids: ids.clone(),
                bound,
                cut_short,
            };
            // A thread that is gone has nothing left to drain.
            let _ = thread.send(command).await;
            answers.push(answer);
        }
        let mut total = 0;
        for answer in answers {
            total += answer.await.unwrap_or_default();
        }
        total
    }
}

/// A thread at work.
struct Thread<P: Policy> {
    worker: Rc<Worker<P, TcpDial>>,
    groups: HashMap<ListenerId, Vec<Rc<Group>>>,
}

async fn work<P: Policy>(
    worker: Worker<P, TcpDial>,
    mut commands: mpsc::Receiver<Command<P::Listener>>,
) {
    let mut thread = Thread {
        worker: Rc::new(worker),
        groups: HashMap::new(),
    };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut canary = pin!(sleep(TICK));
    loop {
        // Cancelling any arm loses nothing.
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => thread.obey(command).await,
                None => return,
            },
            _ = tick.tick() => thread.tick(),
            () = canary.as_mut() => {
                // A timer is one of the many that are ready, and it knows since when.
                let now = Instant::now();
                let delay = now.saturating_duration_since(canary.deadline());
                thread.worker.policy.waited(delay);
                let pause = if delay < DELAY_WATCHED { TICK } else { DELAY_TICK };
                canary.as_mut().reset(now + pause);
            }
        }
    }
}

impl<P: Policy> Thread<P> {
    fn tick(&mut self) {
        self.worker.tick();
        // Held by its accepting and by each of its connections as long as there are any.
        let groups = &mut self.groups;
        groups.retain(|_, groups| groups.iter().any(|group| Rc::strong_count(group) > 1));
    }

    async fn obey(&mut self, command: Command<P::Listener>) {
        match command {
            Command::Listen {
                id,
                socket,
                listener,
                listening,
            } => {
                // Whoever asked may have stopped waiting, here and below.
                let _ = listening.send(self.listen(id, socket, listener));
            }
            Command::Retire(id) => self.of(id).for_each(|group| group.retire()),
            Command::Close(id) => self.of(id).for_each(|group| group.close()),
            Command::Set { bounds, done } => {
                match bounds {
                    Bounds::Timeouts(timeouts) => self.worker.set_timeouts(timeouts),
                    Bounds::Limits(limits) => self.worker.set_limits(limits),
                }
                let _ = done.send(());
            }
            Command::Drain {
                ids,
                bound,
                cut_short,
            } => {
                let drained = self
                    .groups
                    .iter()
                    .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.contains(id)));
                let drained: Vec<_> = drained.flat_map(|(_, groups)| groups.clone()).collect();
                let worker = self.worker.clone();
                // A task of its own: the thread has commands to obey and ticks to keep meanwhile.
                tokio::task::spawn_local(async move {
                    let left = drain(&worker, &drained, bound).await;
                    worker.policy.tick();
                    let _ = cut_short.send(left);
                });
            }
        }
    }

    fn of(&self, id: ListenerId) -> impl Iterator<Item = &Rc<Group>> {
        self.groups.get(&id).into_iter().flatten()
    }

    fn listen(
        &mut self,
        id: ListenerId,
        socket: TcpListener,
        listener: P::Listener,
    ) -> io::Result<()> {
        let group = Rc::new(Group::default());
        let acceptor = Acceptor {
            worker: self.worker.clone(),
            group: group.clone(),
            socket: tokio::net::TcpListener::from_std(socket)?,
            listener,
        };
        let accepting = tokio::task::spawn_local(acceptor.run());
        group.set_acceptor(accepting.abort_handle());
        self.groups.entry(id).or_default().push(group);
        Ok(())
    }
}

async fn drain<P: Policy>(
    worker: &Worker<P, TcpDial>,
    groups: &[Rc<Group>],
    bound: Duration,
) -> usize {
    groups.iter().for_each(|group| group.close());
    match timeout(bound, worker.ended(groups)).await {
        Ok(()) => 0,
        Err(_) => {
            let cut_short = groups.iter().map(|group| group.abort()).sum();
            // Their exchanges are finished when their tasks are next looked at.
            worker.ended(groups).await;
            cut_short
        }
    }
}
