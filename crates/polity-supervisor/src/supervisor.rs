//! The supervisor: one actor per service of the plan, and who may tell them what.

pub(crate) mod difference;
mod edit;
mod handle;
pub(crate) mod overrides;
pub mod parts;
pub(crate) mod registry;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use futures_util::future::join_all;
use polity_core::ServiceName;
use polity_plan::{Plan, Port, Program, Protocol, Service};
use polity_runtime::{Drain, task};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use difference::Applied;
pub use handle::{CommandError, Handle};
pub use parts::Config;

use crate::service::actor::{Actor, COMMANDS, InForce};
use crate::service::status::{Board, Kind, ServiceStatus, Stage};
use crate::task::Tasks;
use overrides::Overrides;
use parts::Parts;
use registry::{Member, Registry};

/// How many edited plans may wait to be applied.
const PLANS: usize = 4;

/// An edited plan on its way to the supervisor.
struct Edited {
    plan: Arc<Plan>,
    reply: oneshot::Sender<Applied>,
}

/// Runs the services of a plan.
pub struct Supervisor {
    parts: Arc<Parts>,
    plan: Arc<Plan>,
    in_force: watch::Sender<InForce>,
    registry: Registry,
    overrides: Arc<Overrides>,
    tasks: Arc<Tasks>,
    plans: mpsc::Receiver<Edited>,
    /// Made with the supervisor, so that they are shown from the start; run once it runs.
    unborn: Vec<Actor>,
    running: BTreeMap<ServiceName, JoinHandle<Option<()>>>,
    leaving: Vec<Leaving>,
    /// The last instance number of every service there ever was: an id is never used twice.
    ordinals: BTreeMap<ServiceName, Arc<AtomicU32>>,
}

/// Services that were removed from the plan together, and are on their way out.
struct Leaving {
    boards: BTreeMap<ServiceName, Board>,
    join: JoinHandle<Option<()>>,
}

impl Supervisor {
    /// A supervisor that will run the plan, and the handle to it.
    pub fn new(config: Config) -> (Self, Handle) {
        let (plan, parts) = Parts::of(config);
        let (sender, plans) = mpsc::channel(PLANS);
        let registry = Registry::new();
        let handle = Handle::new(registry.clone(), parts.events.clone(), sender);
        let mut supervisor = Self {
            overrides: Arc::new(Overrides::load(&parts.data)),
            tasks: Arc::new(Tasks::new(parts.clone())),
            parts,
            plan: plan.clone(),
            in_force: watch::Sender::new(InForce {
                number: 0,
                plan: plan.clone(),
            }),
            registry,
            plans,
            unborn: Vec::new(),
            running: BTreeMap::new(),
            leaving: Vec::new(),
            ordinals: BTreeMap::new(),
        };
        for service in plan.services.values() {
            supervisor.conceive(service, None);
        }
        (supervisor, handle)
    }

    /// Runs the services until the drain begins, then stops them, callers before callees.
    pub async fn run(mut self, drain: Drain) {
        self.bear();
        loop {
            tokio::select! { biased;
                () = drain.signaled() => break,
                edited = self.plans.recv() => match edited {
                    Some(edited) => {
                        let applied = self.apply(edited.plan, &drain);
                        // Whoever edited may not care.
                        let _ = edited.reply.send(applied);
                    }
                    // Every handle is gone: the services run on until the drain.
                    None => drain.signaled().await,
                },
            }
        }
        self.stop().await;
    }

    /// Makes the actor of a service that Polity runs, to be spawned by [`Self::bear`]. It starts
    /// when `predecessor`, the same service removed a moment ago, has stopped.
    fn conceive(&mut self, service: &Arc<Service>, predecessor: Option<Board>) {
        let Some(program) = service.program() else {
            return;
        };
        let replicas = self.overrides.of(&service.name, program);
        let board = Board::new(first_status(service, program, replicas));
        let (commands_sender, commands) = mpsc::channel(COMMANDS);
        let (stop_sender, stop) = watch::channel(false);
        let (applied_sender, applied) = watch::channel(0);
        let member = Member {
            board: board.clone(),
            commands: commands_sender,
            turns: Arc::new(Semaphore::new(1)),
            applied,
            stop: Arc::new(stop_sender),
        };
        self.registry.insert(service.name.clone(), member);
        let last_ordinal = self.ordinals.entry(service.name.clone()).or_default();
        self.unborn.push(Actor {
            parts: self.parts.clone(),
            registry: self.registry.clone(),
            tasks: self.tasks.clone(),
            overrides: self.overrides.clone(),
            board,
            plan: self.plan.clone(),
            service: service.clone(),
            program: program.clone(),
            replicas,
            commands,
            plans: self.in_force.subscribe(),
            applied: applied_sender,
            stop,
            predecessor,
            current: None,
            instances: Vec::new(),
            last_ordinal: last_ordinal.clone(),
            restarts: Arc::new(Semaphore::new(1)),
            changed: Arc::new(Notify::new()),
            watcher: None,
        });
    }

    /// Spawns the actors made since the last time.
    fn bear(&mut self) {
        for actor in self.unborn.drain(..) {
            let name = actor.service.name.clone();
            let join = task::spawn("service", actor.run());
            self.running.insert(name, join);
        }
    }

    /// Callers stop before what they call: the groups of the start order, last first.
    async fn stop(mut self) {
        let members = self.registry.all();
        let plan = self.plan.clone();
        for group in plan.start_order.iter().rev() {
            let of_group = group
                .iter()
                .filter_map(|name| self.running.remove(name).map(|j| (name, j)));
            let joins: Vec<_> = of_group
                .map(|(name, join)| {
                    if let Some(member) = members.get(name) {
                        member.stop.send_replace(true);
                    }
                    join
                })
                .collect();
            join_all(joins).await;
        }
        // Removals see the drain themselves.
        join_all(self.leaving.into_iter().map(|leaving| leaving.join)).await;
        self.tasks.ended().await;
    }
}

fn first_status(service: &Service, program: &Program, replicas: u32) -> ServiceStatus {
    let planned = program.replicas;
    ServiceStatus {
        service: service.name.clone(),
        kind: kind(service, program),
        replicas,
        planned_replicas: (planned != replicas).then_some(planned),
        stage: Stage::Waiting,
        operation: None,
        version: None,
        message: None,
        instances: Vec::new(),
    }
}

fn kind(service: &Service, program: &Program) -> Kind {
    match (program.port, service.protocol) {
        (Port::None, _) => Kind::Worker,
        (_, Protocol::Http | Protocol::Http2 | Protocol::Auto) => Kind::Http,
        (_, Protocol::Tcp) => Kind::Tcp,
    }
}

#[cfg(test)]
mod tests;
