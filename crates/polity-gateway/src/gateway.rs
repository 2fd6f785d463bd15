//! The gateway as a service: started, run until it is drained, and changed in between.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_catalog::Catalog;
use polity_http::Server;
use polity_http::server::capacity;
use polity_plan::Plan;
use polity_resilience::hedge::{self, Hedge};
use polity_resilience::{Bulkhead, adaptive_limit};
use polity_runtime::published::Subscription;
use polity_runtime::{DataPlane, Drain, Published, task};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::access_log::{AccessLog, LogBuffer};
use crate::bounds;
use crate::builder::{Builder, Given};
use crate::handle::{ApplyError, Command, Handle};
use crate::instance::Instance;
use crate::listeners::{ListenError, Listeners};
use crate::overload::Gate;
use crate::policy::GatewayPolicy;
use crate::probing::keep_asking;
use crate::resolve::keep_resolved;
use crate::sessions::SessionKey;
use crate::statistics::WINDOW;
use crate::tls::{Entry, Folders, TlsError};
use crate::transcoding;

/// How long requests in flight may go on once the gateway drains. Within the ten seconds that
/// service managers commonly leave between asking and killing.
const DRAIN_BOUND: Duration = Duration::from_secs(8);

/// How long the end of the access log may take to write.
const LOG_BOUND: Duration = Duration::from_secs(1);

/// How long calls may go on after the services have ended: whoever made them is gone.
const CALLS_BOUND: Duration = Duration::from_secs(1);

/// Plans that may wait to be put in force.
const MAX_WAITING_COMMANDS: usize = 16;

/// What the gateway is given besides plan and catalog.
pub struct Config {
    /// The threads that carry requests.
    pub data_plane: DataPlane,
    /// Where the access log goes; none for no log.
    pub access_log: Option<PathBuf>,
    /// What the cookies of sticky sessions are signed with.
    pub session_key: SessionKey,
    /// Where certificates are.
    pub folders: Folders,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There is no certificate to serve with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The access log could not be opened.
    #[error("cannot open the access log {}: {source}; `--access-log` names another", path.display())]
    AccessLog {
        /// Where it was to be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The data plane does not run.
    #[error(transparent)]
    DataPlane(#[from] polity_http::server::Unreachable),
}

/// How the gateway ends. Each stops accepting and lets the requests in flight end, within a bound.
pub struct Drains {
    /// For clients from outside.
    pub public: Drain,
    /// For calls between services: later, since a service that stops may call another to finish
    /// what it does.
    pub calls: Drain,
}

/// The gateway, listening, to be [run](Gateway::run).
pub struct Gateway {
    server: Server<GatewayPolicy>,
    builder: Arc<Builder>,
    listeners: Listeners,
    entry: Entry,
    addresses: Published<crate::listeners::Addresses>,
    changes: Subscription<Catalog>,
    commands: mpsc::Receiver<Command>,
    log: Option<AccessLog>,
    /// Those whose names are looked up, and those that are asked how busy they are.
    resolving: Vec<Instance>,
    asking: Vec<Instance>,
    reading: Vec<Instance>,
    /// What paths of the plan are relative to.
    root: Arc<Path>,
}

impl Gateway {
    /// Binds every listener and serves on them: requests are answered from here on. Changes are
    /// taken up by [`Gateway::run`].
    ///
    /// # Errors
    /// When an address or the access log cannot be had; nothing is left open then.
    pub async fn start(
        config: Config,
        plan: Arc<Plan>,
        catalog: Published<Catalog>,
    ) -> Result<(Self, Handle), StartError> {
        let log = config.access_log.map(|path| {
            AccessLog::open(&path).map_err(|source| StartError::AccessLog { path, source })
        });
        let log = log.transpose()?;
        let given = Given {
            session_key: config.session_key,
            connections: capacity(&config.data_plane),
            folder: config.folders.root.clone(),
        };
        let root = Arc::from(config.folders.root.as_path());
        let mut entry = Entry::new(config.folders);
        if let Some(prepared) = entry.prepare(&plan)? {
            entry.put(prepared);
        }
        let changes = catalog.subscribe();
        let builder = Arc::new(Builder::new(plan.clone(), catalog, given));
        let (thread_builder, queue) = (builder.clone(), log.as_ref().map(AccessLog::queue));
        let timeouts = bounds::timeouts(&plan.gateway.timeouts);
        let (in_flight, tls) = (Arc::<Bulkhead>::default(), entry.in_force());
        let server = Server::start(&config.data_plane, timeouts, move || {
            let log = queue.clone().map(LogBuffer::new);
            let gate = Gate::new(in_flight.clone());
            GatewayPolicy::new(thread_builder.reader(), log, gate, tls.clone())
        })?;
        server
            .set_limits(bounds::limits(&plan.gateway.limits))
            .await;
        let opened = Listeners::open(server.clone(), &plan).await;
        let listeners = match opened {
            Ok(listeners) => listeners,
            Err(error) => {
                server.drain(Duration::ZERO).await;
                return Err(error.into());
            }
        };
        let addresses = Published::new(listeners.addresses(entry.local_authority()));
        let (sender, commands) = mpsc::channel(MAX_WAITING_COMMANDS);
        let handle = Handle::new(builder.clone(), addresses.clone(), sender);
        let gateway = Self {
            server,
            builder,
            listeners,
            entry,
            addresses,
            changes,
            commands,
            log,
            resolving: Vec::new(),
            asking: Vec::new(),
            reading: Vec::new(),
            root,
        };
        Ok((gateway, handle))
    }

    /// Follows the catalog and the plan until it is told to end; see [`Drains`].
    pub async fn run(mut self, drains: Drains) {
        let Drains { public, calls } = drains;
        self.follow_until(public.signaled()).await;
        let (server, listeners) = (self.server.clone(), self.listeners.public());
        let drained = server.drain_listeners(listeners, DRAIN_BOUND);
        warn_of(self.follow_until(drained).await);
        drop(public);
        self.follow_until(calls.signaled()).await;
        warn_of(self.server.drain(CALLS_BOUND).await);
        if let Some(log) = self.log {
            // The data plane has handed over its lines by now; the wait is for the disk.
            if tokio::time::timeout(LOG_BOUND, log.finished())
                .await
                .is_err()
            {
                tracing::warn!("the end of the access log could not be written in time");
            }
        }
    }

    /// Keeps the snapshot true to plan and catalog until `end` comes about.
    async fn follow_until<T>(&mut self, end: impl Future<Output = T>) -> T {
        let mut end = pin!(end);
        let mut rotation = tokio::time::interval(WINDOW / 2);
        let mut look = tokio::time::interval(adaptive_limit::PERIOD);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut latencies = tokio::time::interval(hedge::PERIOD);
        latencies.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.accompany();
        loop {
            // Cancelling any of these loses nothing: what has changed is still changed in the next
            // round, and a command is taken only when its arm is.
            tokio::select! {
                biased;
                ended = &mut end => return ended,
                Some(_) = self.changes.changed() => self.builder.rebuild(),
                Some(command) = self.commands.recv() => self.obey(command).await,
                _ = rotation.tick() => self.rotate(),
                _ = look.tick() => {
                    self.look_at_load();
                    continue;
                }
                _ = latencies.tick() => {
                    self.look_at_latencies();
                    continue;
                }
            }
            self.accompany();
        }
    }

    async fn obey(&mut self, command: Command) {
        let Command::Apply { plan, done } = command;
        let result = self.apply(plan).await;
        // Whoever asked may have stopped waiting.
        let _ = done.send(result);
    }

    /// Callees must be reachable before anyone is told of them, and routes be gone before what
    /// they led through is.
    async fn apply(&mut self, plan: Arc<Plan>) -> Result<(), ApplyError> {
        let before = self.builder.current().planned.plan.clone();
        let prepared = self.entry.prepare(&plan)?;
        let extended = self.listeners.extend(&before, &plan).await;
        if extended.is_ok() {
            self.bound(&before, &plan).await;
            self.builder.replan(plan);
            if let Some(prepared) = prepared {
                self.entry.put(prepared);
            }
        }
        let authority = self.entry.local_authority();
        self.addresses.store(self.listeners.addresses(authority));
        self.listeners.close(extended?).await;
        Ok(())
    }

    /// Changes the data plane's bounds where the plan does.
    async fn bound(&self, before: &Plan, plan: &Plan) {
        let (before, now) = (&before.gateway, &plan.gateway);
        if before.timeouts != now.timeouts {
            let timeouts = bounds::timeouts(&now.timeouts);
            self.server.set_timeouts(timeouts).await;
        }
        if before.limits != now.limits {
            self.server.set_limits(bounds::limits(&now.limits)).await;
        }
    }

    fn look_at_load(&self) {
        let now = Instant::now();
        for service in &self.builder.current().services {
            service.load.advance(service.name.as_str(), now);
            service.sweep(now);
        }
    }

    fn look_at_latencies(&self) {
        let services = &self.builder.current().services;
        let hedges = services.iter().filter_map(|it| it.shared.hedge.as_ref());
        hedges.for_each(Hedge::advance);
    }

    fn rotate(&self) {
        let now = Instant::now();
        for service in &self.builder.current().services {
            service.shared.statistics.rotate(now);
            for instance in service.instances() {
                instance.statistics.rotate(now);
            }
        }
    }

    /// Starts what goes on beside the requests to instances that are new: looking up their names, asking
    /// them how busy they are, and reading what they tell of their methods.
    fn accompany(&mut self) {
        let snapshot = self.builder.current();
        self.resolving.retain(|it| !it.endpoint.is_retired());
        self.asking.retain(|it| !it.endpoint.is_retired());
        self.reading.retain(|it| !it.endpoint.is_retired());
        for service in &snapshot.services {
            for instance in service.instances() {
                let is_new = |known: &[Instance]| !known.iter().any(|it| it.is(instance));
                if instance.is_named() && is_new(&self.resolving) {
                    self.resolving.push(instance.clone());
                    task::spawn("resolve", keep_resolved(instance.clone()));
                }
                if service.probes() && is_new(&self.asking) {
                    self.asking.push(instance.clone());
                    let (builder, name) = (self.builder.clone(), service.name.clone());
                    task::spawn("ask", keep_asking(builder, name, instance.clone()));
                }
                if let (Some(transcoding), Some(source)) =
                    (&service.shared.transcoding, &service.policy.transcode)
                    && is_new(&self.reading)
                {
                    self.reading.push(instance.clone());
                    let (transcoding, source) = (transcoding.clone(), source.clone());
                    let (root, name) = (self.root.clone(), service.name.to_string());
                    let reading =
                        transcoding::read_anew(transcoding, source, root, name, instance.clone());
                    task::spawn("read-descriptors", reading);
                }
            }
        }
    }
}

fn warn_of(cut_short: usize) {
    if cut_short > 0 {
        tracing::warn!(
            connections = cut_short,
            "connections were cut short by the drain"
        );
    }
}
