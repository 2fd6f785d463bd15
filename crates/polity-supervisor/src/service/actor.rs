//! The actor of one service: decides which instances there are, one operation at a time.
//!
//! Keeping an instance alive is the instance's own business, so the actor is free to do one thing
//! after another in plain sequence: its first start, then whatever it is told to. When the system
//! stops, the operation under way is dropped where it stands, and every instance it knows of,
//! half-rolled or not, is stopped.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use polity_plan::{Plan, Program, Service};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::event::{EventKind, News};
use crate::service::failure::Failure;
use crate::service::instance::{Instance, UnlessReady};
use crate::service::release::Release;
use crate::service::status::{Board, Operation, ServiceStatus, Stage};
use crate::supervisor::difference;
use crate::supervisor::overrides::Overrides;
use crate::supervisor::parts::Parts;
use crate::supervisor::registry::Registry;
use crate::task::{Tasks, When};
use crate::watch::Watcher;

/// How many commands may wait for a service: each holds the service's one turn.
pub(crate) const COMMANDS: usize = 1;

/// What a service is told to do by hand.
#[derive(Debug)]
pub(crate) enum Command {
    /// Builds and rolls.
    Deploy,
    /// Rolls to new instances of the same release.
    Restart,
    /// This many instances, whatever the plan says.
    Scale(u32),
}

/// The plan in force, and the how many-th it is. Every actor follows it and sees the latest only:
/// edits that follow quickly are one.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub(crate) number: u64,
    pub(crate) plan: Arc<Plan>,
}

/// How much of a service a changed plan touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effort {
    /// At most the number of instances, and what is watched.
    Keep,
    /// New instances of the same build.
    Roll,
    /// New instances of a new build.
    Build,
}

/// A command on its way.
pub(crate) struct Envelope {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Result<(), Failure>>,
    /// Held until the command is done: a person's second command is refused, not queued.
    pub(crate) turn: OwnedSemaphorePermit,
}

/// The actor's state.
pub(crate) struct Actor {
    pub(crate) parts: Arc<Parts>,
    pub(crate) registry: Registry,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) overrides: Arc<Overrides>,
    pub(crate) board: Board,
    pub(crate) plan: Arc<Plan>,
    pub(crate) service: Arc<Service>,
    pub(crate) program: Arc<Program>,
    pub(crate) replicas: u32,
    pub(crate) commands: mpsc::Receiver<Envelope>,
    pub(crate) plans: watch::Receiver<InForce>,
    /// The number of the last plan whose changes were made, or could not be.
    pub(crate) applied: watch::Sender<u64>,
    pub(crate) stop: watch::Receiver<bool>,
    /// The same service, removed from the plan a moment ago and perhaps still stopping.
    pub(crate) predecessor: Option<Board>,
    /// What new instances run.
    pub(crate) current: Option<Arc<Release>>,
    pub(crate) instances: Vec<Instance>,
    /// The number of the youngest instance there ever was, this actor's or a predecessor's.
    pub(crate) last_ordinal: Arc<AtomicU32>,
    pub(crate) restarts: Arc<Semaphore>,
    /// A watched file changed. One that changes during an operation is seen after it.
    pub(crate) changed: Arc<Notify>,
    pub(crate) watcher: Option<Watcher>,
}

impl Actor {
    /// From the first start to the stop.
    pub(crate) async fn run(mut self) {
        let mut stop = self.stop.clone();
        // Dropping the work loses nothing: each instance is in `self.instances` from its first moment.
        tokio::select! { biased;
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.work() => {}
        }
        self.shut_down().await;
    }

    async fn work(&mut self) {
        if let Some(predecessor) = self.predecessor.take() {
            let stopped = |s: &ServiceStatus| (s.stage == Stage::Stopped).then_some(());
            predecessor.wait_for(stopped).await;
        }
        self.watch_files();
        self.begin(Operation::Start);
        let started = self.first_start().await;
        self.finish(&started);
        loop {
            tokio::select! { biased;
                envelope = self.commands.recv() => match envelope {
                    Some(envelope) => self.obey(envelope).await,
                    None => return,
                },
                Ok(()) = self.plans.changed() => self.follow_plan().await,
                () = self.changed.notified() => {
                    self.tell(EventKind::Changed, "a watched file changed");
                    self.begin(Operation::Deploy);
                    let deployed = self.deploy().await;
                    self.finish(&deployed);
                }
            }
        }
    }

    async fn obey(&mut self, envelope: Envelope) {
        let done = match envelope.command {
            Command::Deploy => {
                self.begin(Operation::Deploy);
                self.deploy().await
            }
            Command::Restart => {
                self.begin(Operation::Restart);
                self.restart().await
            }
            Command::Scale(replicas) => {
                self.begin(Operation::Scale);
                self.scale(replicas).await
            }
        };
        self.finish(&done);
        drop(envelope.turn);
        // Whoever asked may have gone away meanwhile.
        let _ = envelope.reply.send(done);
    }

    fn begin(&self, operation: Operation) {
        self.board.update(|status| {
            status.operation = Some(operation);
            status.message = None;
        });
    }

    fn finish(&self, done: &Result<(), Failure>) {
        let nothing_runs = self.instances.is_empty() && self.replicas > 0;
        self.board.update(|status| {
            status.operation = None;
            status.message = done.as_ref().err().map(|failure| failure.message.clone());
            status.stage = match nothing_runs {
                true => Stage::Failed,
                false => Stage::Running,
            };
        });
        let used = self.instances.iter().map(|instance| &instance.release);
        let used = used.chain(&self.current);
        let versions: Vec<_> = used.map(|release| release.version().clone()).collect();
        self.parts.builds.keep_only(&self.service.name, &versions);
    }

    /// Builds while the callees start, waits for them, runs the tasks, and starts every instance.
    async fn first_start(&mut self) -> Result<(), Failure> {
        let built = self.build().await?;
        self.wait_for_callees().await;
        self.run_tasks(When::FirstStart).await?;
        self.stage(Stage::Starting);
        let release = self.release(built)?;
        self.set_current(release.clone());
        let ids: Vec<_> = (0..self.replicas)
            .map(|_| self.start_instance(&release, UnlessReady::Retry))
            .collect();
        for id in ids {
            // One that fails is started again, and says so itself.
            let _ = self.settled(&id).await;
        }
        Ok(())
    }

    async fn deploy(&mut self) -> Result<(), Failure> {
        let built = self.build().await?;
        self.run_tasks(When::Roll).await?;
        let release = self.release(built)?;
        self.roll(release).await
    }

    async fn restart(&mut self) -> Result<(), Failure> {
        let Some(current) = self.current.clone() else {
            let message = "it has no build that could be restarted; deploy it first";
            return Err(Failure::new(message));
        };
        self.run_tasks(When::Roll).await?;
        self.roll(Arc::new(Release::clone(&current))).await
    }

    /// Does what the plan now in force means for this service; most edits mean nothing.
    async fn follow_plan(&mut self) {
        let InForce { number, plan } = self.plans.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.plan, plan);
        let effort = difference::edit(&before, &self.plan, &self.service.name);
        let known = self.plan.services.get(&self.service.name).cloned();
        // What is not in the plan any more is about to be stopped.
        if let Some(service) = known
            && let Some(program) = service.program().cloned()
        {
            let was = std::mem::replace(&mut self.program, program);
            self.service = service;
            if let Some(effort) = effort {
                self.begin(Operation::Apply);
                let applied = self.apply(effort, &was).await;
                self.finish(&applied);
            }
        }
        self.applied.send_replace(number);
    }

    async fn apply(&mut self, effort: Effort, was: &Program) -> Result<(), Failure> {
        if (&was.dir, &was.watch) != (&self.program.dir, &self.program.watch) {
            self.watch_files();
        }
        // Whatever becomes of the rest, this is what the plan says now.
        let replicas = self.overrides.of(&self.service.name, &self.program);
        self.set_replicas(replicas);
        let rolled = match effort {
            Effort::Keep => Ok(()),
            effort => self.roll_to_plan(effort).await,
        };
        // After a roll there is nothing left to do; what was not rolled has the new number all the same.
        let resized = self.resize(replicas, UnlessReady::Retry).await;
        rolled.and(resized)
    }

    async fn roll_to_plan(&mut self, effort: Effort) -> Result<(), Failure> {
        let built = match (effort, &self.current) {
            (Effort::Build, _) | (_, None) => self.build().await?,
            (_, Some(current)) => current.built.clone(),
        };
        self.wait_for_callees().await;
        self.run_tasks(When::Roll).await?;
        let release = self.release(built)?;
        self.roll(release).await
    }

    fn watch_files(&mut self) {
        self.watcher = None;
        if self.program.watch.is_empty() {
            return;
        }
        let dir = self.parts.dir(&self.program.dir);
        let paths = self.program.watch.iter().map(|path| dir.join(path));
        let mut made = vec![self.parts.data.clone()];
        if self.program.build.is_some() {
            // A build that writes beside its sources would otherwise be its own next reason.
            let run = self.program.run.words.first();
            made.extend(run.map(|program| self.parts.dir(&dir.join(program))));
        }
        let started = Watcher::start(paths.collect(), made, self.changed.clone());
        match started {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => {
                let service = &self.service.name;
                tracing::warn!(%service, %error, "its files cannot be watched");
            }
        }
    }

    /// The first start goes through its stages; later operations leave a running service running.
    pub(super) fn stage(&self, stage: Stage) {
        self.board.update(|status| {
            if !status.settled() || status.stage == Stage::Failed {
                status.stage = stage;
            }
        });
    }

    pub(super) fn set_replicas(&mut self, replicas: u32) {
        self.replicas = replicas;
        let planned = self.program.replicas;
        self.board.update(|status| {
            status.replicas = replicas;
            status.planned_replicas = (planned != replicas).then_some(planned);
        });
    }

    pub(super) fn set_current(&mut self, release: Arc<Release>) {
        let version = release.version().clone();
        self.board.update(|status| status.version = Some(version));
        self.current = Some(release);
    }

    pub(super) fn tell(&self, kind: EventKind, message: impl Into<String>) {
        let news = News::new(kind, message);
        self.parts.events.tell(&self.service.name, news);
    }

    async fn shut_down(mut self) {
        self.watcher = None;
        self.board.update(|status| {
            status.stage = Stage::Stopping;
            status.operation = None;
        });
        for instance in &self.instances {
            instance.retire(instance.release.program.stop_timeout);
        }
        for instance in &mut self.instances {
            instance.ended().await;
        }
        self.board.update(|status| {
            status.stage = Stage::Stopped;
            status.instances.clear();
        });
    }
}
