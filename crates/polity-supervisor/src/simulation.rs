//! A world made of timers: processes, a network, builds and a gateway for deterministic tests.

mod clock;
mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use polity_catalog::{Catalog, Health};
use polity_core::{InstanceId, ServiceName, VersionId};
use polity_runtime::Published;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::health::{Probe, ProbeError, Prober};
use crate::process::{
    BoxFuture, Control, Exit, Host, Launch, LaunchError, OutputSink, Process, Stream,
};
use crate::supervisor::parts::{
    BuildFailure, BuildOrder, Builds, Built, Logs, Ports, Surroundings,
};

pub(crate) use clock::PausedClock;
pub(crate) use scene::{Scene, Sketch, name};

/// How long a build takes.
pub(crate) const BUILD_TIME: Duration = Duration::from_millis(200);

/// How long a process takes to end when asked.
pub(crate) const END_TIME: Duration = Duration::from_millis(30);

/// How long the requests of an instance take to drain.
pub(crate) const DRAIN_TIME: Duration = Duration::from_millis(70);

/// How a program behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    /// From its start until it listens; never, if none.
    pub(crate) ready_after: Option<Duration>,
    /// It ends by itself after this long.
    pub(crate) ends_after: Option<(Duration, Exit)>,
    /// It does not end when asked.
    pub(crate) ignores_term: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ready_after: Some(Duration::from_millis(40)),
            ends_after: None,
            ignores_term: false,
        }
    }
}

/// The world. Clones share it.
#[derive(Clone)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
    pub(crate) catalog: Published<Catalog>,
}

#[derive(Default)]
struct State {
    /// By "service" or "service@version"; the latter wins.
    behaviours: BTreeMap<String, Behaviour>,
    processes: BTreeMap<u32, Body>,
    failing_builds: BTreeSet<ServiceName>,
    builds: BTreeMap<ServiceName, u32>,
    last_port: u16,
    taken_ports: BTreeSet<u16>,
    exhausted: bool,
    launches: Vec<Launched>,
}

/// A process that was started, for tests to look at.
#[derive(Debug, Clone)]
pub(crate) struct Launched {
    /// The instance, or the first word of a task's command.
    pub(crate) who: String,
    pub(crate) version: String,
    pub(crate) env: BTreeMap<String, String>,
}

struct Body {
    instance: String,
    port: Option<u16>,
    listens_at: Option<Instant>,
    sick: bool,
    ended_at: Option<Instant>,
    ignores_term: bool,
    exit: watch::Sender<Option<Exit>>,
}

struct Nowhere;

struct Reins {
    world: World,
    pid: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            catalog: Published::new(Catalog::default()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, `who` ("service" or "service@version") behaves like this.
    pub(crate) fn behave(&self, who: &str, behaviour: Behaviour) {
        self.lock().behaviours.insert(who.to_owned(), behaviour);
    }

    pub(crate) fn fail_builds(&self, service: &str, fail: bool) {
        let mut state = self.lock();
        match fail {
            true => state.failing_builds.insert(name(service)),
            false => state.failing_builds.remove(service),
        };
    }

    /// Ends the process of an instance as the kernel would.
    pub(crate) fn kill(&self, instance: &str) {
        let pid = self.pid(instance).expect("it runs");
        self.end(pid, Exit::Signal(9));
    }

    /// Makes an instance fail its checks, or pass them again.
    pub(crate) fn sicken(&self, instance: &str, sick: bool) {
        let pid = self.pid(instance).expect("it runs");
        if let Some(body) = self.lock().processes.get_mut(&pid) {
            body.sick = sick;
        }
    }

    /// Leaves the system without file descriptors for checks, or with some again.
    pub(crate) fn exhaust(&self, exhausted: bool) {
        self.lock().exhausted = exhausted;
    }

    pub(crate) fn launches(&self) -> Vec<Launched> {
        self.lock().launches.clone()
    }

    /// The instances whose processes run.
    pub(crate) fn alive(&self) -> Vec<String> {
        let state = self.lock();
        let alive = state.processes.values().filter(|b| b.ended_at.is_none());
        alive.map(|body| body.instance.clone()).collect()
    }

    /// The catalog's ready instances of a service.
    pub(crate) fn serving(&self, service: &str) -> Vec<String> {
        let catalog = self.catalog.load();
        let instances = catalog.instances(service).cloned().unwrap_or_default();
        let ready = instances.values().filter(|i| i.health == Health::Ready);
        ready.map(|instance| instance.id.to_string()).collect()
    }

    /// What the catalog lists as ready must be able to answer, this very instant excepted.
    pub(crate) fn check_catalog(&self) {
        let catalog = self.catalog.load();
        let state = self.lock();
        for (_, instances) in catalog.services() {
            for instance in instances.values().filter(|i| i.health == Health::Ready) {
                let mut bodies = state.processes.values();
                let body = bodies.find(|body| {
                    body.instance == instance.id.as_str() && body.ended_at.is_none_or(is_now)
                });
                let body = body.unwrap_or_else(|| panic!("{} is listed and dead", instance.id));
                assert!(
                    body.listens_at.is_some_and(|at| at <= Instant::now()),
                    "{} is listed and does not listen",
                    instance.id
                );
            }
        }
    }

    fn pid(&self, instance: &str) -> Option<u32> {
        let state = self.lock();
        let mut bodies = state.processes.iter();
        bodies
            .find(|(_, body)| body.instance == instance && body.ended_at.is_none())
            .map(|(pid, _)| *pid)
    }

    fn end(&self, pid: u32, exit: Exit) {
        if let Some(body) = self.lock().processes.get_mut(&pid)
            && body.ended_at.is_none()
        {
            body.ended_at = Some(Instant::now());
            body.exit.send_replace(Some(exit));
        }
    }

    fn end_later(&self, pid: u32, after: Duration, exit: Exit) {
        let world = self.clone();
        tokio::spawn(async move {
            sleep(after).await;
            world.end(pid, exit);
        });
    }
}

fn is_now(at: Instant) -> bool {
    at == Instant::now()
}

impl Host for World {
    fn launch(&self, launch: Launch) -> BoxFuture<'_, Result<Process, LaunchError>> {
        Box::pin(async move {
            let program = launch.words[0].clone();
            if program == "missing" {
                return Err(LaunchError::NotFound { program });
            }
            let get = |key: &str| launch.env.get(key).cloned();
            let version = get("POLITY_VERSION").unwrap_or_default();
            let who = get("POLITY_INSTANCE").unwrap_or_else(|| program.clone());
            let service = match get("POLITY_INSTANCE") {
                Some(_) => get("POLITY_SERVICE").unwrap_or_default(),
                None => program,
            };
            let (exit, seen) = watch::channel(None);
            let now = Instant::now();
            let mut state = self.lock();
            let known = &state.behaviours;
            let behaviour = known
                .get(&format!("{service}@{version}"))
                .or(known.get(&service));
            let behaviour = behaviour.copied().unwrap_or_default();
            let pid = 100 + state.processes.len() as u32;
            state.launches.push(Launched {
                who: who.clone(),
                version,
                env: launch.env.clone(),
            });
            state.processes.insert(
                pid,
                Body {
                    instance: who,
                    port: get("PORT").and_then(|port| port.parse().ok()),
                    listens_at: behaviour.ready_after.map(|after| now + after),
                    sick: false,
                    ended_at: None,
                    ignores_term: behaviour.ignores_term,
                    exit,
                },
            );
            drop(state);
            launch.output.line(Stream::Stderr, "last words");
            if let Some((after, exit)) = behaviour.ends_after {
                self.end_later(pid, after, exit);
            }
            let reins = Reins {
                world: self.clone(),
                pid,
            };
            Ok(Process::new(pid, seen, Arc::new(reins)))
        })
    }
}

impl Control for Reins {
    fn terminate(&self) {
        let state = self.world.lock();
        let ignores = state
            .processes
            .get(&self.pid)
            .is_some_and(|b| b.ignores_term);
        drop(state);
        if !ignores {
            self.world.end_later(self.pid, END_TIME, Exit::Code(0));
        }
    }

    fn kill(&self) {
        self.world.end(self.pid, Exit::Signal(9));
    }
}

impl Prober for World {
    fn probe<'a>(&'a self, probe: &'a Probe) -> BoxFuture<'a, Result<(), ProbeError>> {
        Box::pin(async move {
            // As over a real loopback, the answer is not there in the same instant.
            sleep(Duration::from_millis(1)).await;
            let state = self.lock();
            if state.exhausted {
                return Err(ProbeError::NotAsked {
                    address: probe.address,
                    reason: "too many open files".to_owned(),
                });
            }
            let answers = state.processes.values().any(|body| {
                body.port == Some(probe.address.port())
                    && body.ended_at.is_none()
                    && body.listens_at.is_some_and(|at| at <= Instant::now())
                    && !body.sick
            });
            match answers {
                true => Ok(()),
                false => Err(ProbeError::Connect {
                    address: probe.address,
                    reason: "connection refused".to_owned(),
                }),
            }
        })
    }
}

impl Builds for World {
    fn build<'a>(&'a self, order: &'a BuildOrder) -> BoxFuture<'a, Result<Built, BuildFailure>> {
        Box::pin(async move {
            if order.build.is_some() {
                sleep(BUILD_TIME).await;
            }
            let mut state = self.lock();
            if state.failing_builds.contains(&order.service) {
                return Err(BuildFailure {
                    reason: "exit code 101".to_owned(),
                    lines: vec!["expected `;`".to_owned()],
                });
            }
            let count = state.builds.entry(order.service.clone()).or_default();
            *count += 1;
            Ok(Built {
                version: VersionId::from(format!("v{count}").as_str()),
                run: order.run.clone(),
            })
        })
    }

    fn keep_only(&self, _: &ServiceName, _: &[VersionId]) {}
}

impl Logs for World {
    fn sink(&self, _: &ServiceName, _: &InstanceId) -> Arc<dyn OutputSink> {
        Arc::new(Nowhere)
    }
}

impl OutputSink for Nowhere {
    fn line(&self, _: Stream, _: &str) {}
}

impl Ports for World {
    fn claim(&self) -> io::Result<u16> {
        let mut state = self.lock();
        state.last_port += 1;
        Ok(20_000 + state.last_port)
    }

    fn claim_fixed(&self, port: u16) -> io::Result<()> {
        match self.lock().taken_ports.insert(port) {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        }
    }

    fn release(&self, port: u16) {
        self.lock().taken_ports.remove(&port);
    }
}

impl Surroundings for World {
    fn call_address(&self, _: &ServiceName, callee: &ServiceName) -> Option<SocketAddr> {
        (callee.as_str() != "unreachable").then(|| SocketAddr::from(([127, 0, 0, 1], 7)))
    }

    fn variables(&self, _: &ServiceName) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn drained<'a>(&'a self, instance: &'a InstanceId, bound: Duration) -> BoxFuture<'a, usize> {
        Box::pin(async move {
            let catalog = self.catalog.load();
            let listed = catalog
                .services()
                .any(|(_, all)| all.contains_key(instance));
            assert!(!listed, "{instance} drains and is still listed");
            sleep(DRAIN_TIME.min(bound)).await;
            usize::from(bound < DRAIN_TIME)
        })
    }
}
