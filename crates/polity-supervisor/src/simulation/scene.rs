//! A supervisor in a simulated world: plans in a line, and the questions tests ask.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polity_core::{ServiceName, TaskName};
use polity_plan::{
    Balance, Command, Console, Gateway, HealthAsks, HealthCheck, ListenAddress, Origin, Plan, Port,
    Program, Protocol, Retry, Service, Task,
};
use polity_runtime::{DrainTrigger, drain, task};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{PausedClock, World};
use crate::event::{Event, EventKind};
use crate::service::{InstanceState, ServiceStatus};
use crate::supervisor::{Config, Handle, Supervisor};

/// Longer than anything a test waits for; time is simulated, so that it costs nothing.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A running supervisor.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) handle: Handle,
    data: TempDir,
    trigger: Option<DrainTrigger>,
    running: JoinHandle<Option<()>>,
    watching: JoinHandle<()>,
}

/// A plan in the making.
#[derive(Clone)]
pub(crate) struct Sketch {
    services: BTreeMap<ServiceName, (Service, Program)>,
    tasks: BTreeMap<TaskName, Task>,
    order: Vec<Vec<ServiceName>>,
}

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).expect("a legal name")
}

impl Sketch {
    pub(crate) fn new() -> Self {
        Self {
            services: BTreeMap::new(),
            tasks: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    /// Adds a service that starts after those added before it.
    pub(crate) fn service(mut self, service: &str) -> Self {
        let name = name(service);
        self.order.push(vec![name.clone()]);
        let program = program(service);
        self.services.insert(name.clone(), (bare(name), program));
        self
    }

    pub(crate) fn without(mut self, service: &str) -> Self {
        self.services.remove(service);
        self.order.retain(|group| group[0].as_str() != service);
        self
    }

    /// Changes how a service is run.
    pub(crate) fn with(mut self, service: &str, change: impl FnOnce(&mut Program)) -> Self {
        change(&mut self.services.get_mut(service).expect("added").1);
        self
    }

    /// Changes a service but for how it is run.
    pub(crate) fn edit(mut self, service: &str, change: impl FnOnce(&mut Service)) -> Self {
        change(&mut self.services.get_mut(service).expect("added").0);
        self
    }

    pub(crate) fn calls(self, caller: &str, callee: &str) -> Self {
        self.edit(caller, |service| {
            service.calls.insert(name(callee));
        })
    }

    /// These start together.
    pub(crate) fn circle(mut self, services: &[&str]) -> Self {
        self.order
            .retain(|group| !services.contains(&group[0].as_str()));
        self.order
            .push(services.iter().map(|service| name(service)).collect());
        self
    }

    pub(crate) fn task(mut self, task: &str, before: &[&str]) -> Self {
        let name = TaskName::new(task).expect("a legal name");
        let task = Task {
            name: name.clone(),
            build: None,
            run: command(task),
            dir: PathBuf::from("."),
            before: before.iter().map(|service| self::name(service)).collect(),
            env: BTreeMap::new(),
            timeout: Duration::from_secs(60),
        };
        self.tasks.insert(name, task);
        self
    }

    pub(crate) fn plan(&self) -> Arc<Plan> {
        let any = |port| ListenAddress { host: None, port };
        let services = self.services.clone().into_iter();
        let services = services.map(|(name, (mut service, program))| {
            service.origin = Origin::Run(Arc::new(program));
            (name, Arc::new(service))
        });
        let tasks = self.tasks.clone().into_iter();
        Arc::new(Plan {
            gateway: Gateway {
                listen: any(0),
                ..Gateway::default()
            },
            console: Console { listen: any(0) },
            events: None,
            services: services.collect(),
            sites: Default::default(),
            tasks: tasks.map(|(name, task)| (name, Arc::new(task))).collect(),
            start_order: self.order.clone(),
        })
    }
}

fn command(word: &str) -> Command {
    Command {
        words: vec![word.to_owned()],
    }
}

fn program(service: &str) -> Program {
    Program {
        build: Some(command("make")),
        run: command(service),
        dir: PathBuf::from("."),
        replicas: 1,
        port: Port::Auto,
        health: HealthCheck {
            asks: HealthAsks::Connect,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
        },
        start_timeout: Duration::from_secs(10),
        stop_timeout: Duration::from_secs(10),
        restart_after: Duration::from_secs(30),
        database: None,
        env: BTreeMap::new(),
        watch: Vec::new(),
        requires: Vec::new(),
    }
}

fn bare(name: ServiceName) -> Service {
    Service {
        name,
        origin: Origin::External(Vec::new()),
        protocol: Protocol::Http,
        routes: Vec::new(),
        calls: BTreeSet::new(),
        publishes: BTreeSet::new(),
        consumes: BTreeSet::new(),
        timeout: Duration::from_secs(30),
        retry: Retry::default(),
        hedge: None,
        transcode: None,
        circuit_breaker: polity_plan::CircuitBreakers::default(),
        outlier: None,
        balance: Balance::default(),
        max_in_flight: None,
        max_calls_in_flight: None,
    }
}

impl Scene {
    /// Runs the plan, without waiting for anything.
    pub(crate) fn open(sketch: &Sketch) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        Self::open_in(sketch, World::new(), data, 1)
    }

    pub(crate) fn open_in(sketch: &Sketch, world: World, data: TempDir, seed: u64) -> Self {
        let shared = Arc::new(world.clone());
        let (supervisor, handle) = Supervisor::new(Config {
            plan: sketch.plan(),
            root: data.path().to_owned(),
            data: data.path().to_owned(),
            inherited: BTreeMap::new(),
            catalog: world.catalog.clone(),
            host: shared.clone(),
            prober: shared.clone(),
            builds: shared.clone(),
            logs: shared.clone(),
            ports: shared.clone(),
            surroundings: shared,
            clock: Arc::new(PausedClock::new()),
            seed,
        });
        let (trigger, drain) = drain::channel();
        let running = task::spawn("supervisor", supervisor.run(drain));
        let watched = world.clone();
        let watching = tokio::spawn(async move {
            let mut changes = watched.catalog.subscribe();
            while changes.changed().await.is_some() {
                watched.check_catalog();
            }
        });
        Self {
            world,
            handle,
            data,
            trigger: Some(trigger),
            running,
            watching,
        }
    }

    /// Runs the plan until everything has started, or failed to.
    pub(crate) async fn started(sketch: &Sketch) -> Self {
        let scene = Self::open(sketch);
        scene.handle.started().await;
        scene
    }

    pub(crate) fn status(&self, service: &str) -> ServiceStatus {
        let all = self.handle.status();
        let found = all.into_iter().find(|s| s.service.as_str() == service);
        found.expect("it is known")
    }

    /// Waits until the service's status is as asked.
    pub(crate) async fn until(&self, service: &str, condition: impl Fn(&ServiceStatus) -> bool) {
        let waiting = async {
            while !condition(&self.status(service)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("never so: {:#?}", self.status(service));
        }
    }

    /// Waits until nothing is being done to any service.
    pub(crate) async fn idle(&self) {
        // What was told a moment ago has to begin first.
        tokio::time::sleep(Duration::from_millis(5)).await;
        for service in self.handle.status() {
            let name = service.service.as_str().to_owned();
            self.until(&name, |status| status.operation.is_none()).await;
        }
    }

    pub(crate) fn states(&self, service: &str) -> Vec<(String, InstanceState)> {
        let instances = self.status(service).instances.into_iter();
        instances.map(|i| (i.id.to_string(), i.state)).collect()
    }

    pub(crate) fn events(&self) -> Vec<Arc<Event>> {
        let mut stream = self.handle.events();
        std::iter::from_fn(move || stream.try_next()).collect()
    }

    /// When (in milliseconds since the start) each event of a kind came, and to whom.
    pub(crate) fn times(&self, kind: EventKind) -> Vec<(u64, String)> {
        let events = self.events().into_iter();
        let of_kind = events.filter(|event| event.kind == kind);
        of_kind
            .map(|event| {
                let who = event.instance.as_ref().map(ToString::to_string);
                (
                    event.time_ms,
                    who.unwrap_or_else(|| event.service.to_string()),
                )
            })
            .collect()
    }

    /// Everything that happened, in words.
    pub(crate) fn trace(&self) -> Vec<String> {
        let events = self.events().into_iter();
        events.map(|event| format!("{event:?}")).collect()
    }

    /// Stops it, and gives back what a next run would find.
    pub(crate) async fn stop(&mut self) {
        let trigger = self.trigger.take().expect("stopped once");
        let drained = timeout(PATIENCE, trigger.drained()).await;
        drained.expect("it lets go");
        (&mut self.running).await.expect("it did not panic");
        assert_eq!(self.world.alive(), Vec::<String>::new());
        assert_eq!(self.world.catalog.load().services().count(), 0);
        self.check();
    }

    /// Whether the catalog has been true all along.
    pub(crate) fn check(&self) {
        assert!(!self.watching.is_finished(), "the catalog was wrong");
    }

    pub(crate) fn into_data(self) -> TempDir {
        self.data
    }
}
