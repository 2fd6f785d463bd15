//! What the supervisor needs of the rest of the system, as narrow traits, and all of it together.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use polity_catalog::{Catalog, Change};
use polity_core::{Clock, InstanceId, ServiceName, VersionId};
use polity_plan::{Command, Plan};
use polity_runtime::Published;

use crate::environment::Environment;
use crate::event::Events;
use crate::health::Prober;
use crate::process::{BoxFuture, Host, OutputSink};

/// What the supervisor is made of.
pub struct Config {
    /// The plan to start with.
    pub plan: Arc<Plan>,
    /// The plan's folder, absolute: relative paths of the plan start here.
    pub root: PathBuf,
    /// The data folder, absolute.
    pub data: PathBuf,
    /// Polity's own environment, the base of every service's.
    pub inherited: Environment,
    /// Where the instances are written.
    pub catalog: Published<Catalog>,
    /// Starts processes.
    pub host: Arc<dyn Host>,
    /// Checks instances.
    pub prober: Arc<dyn Prober>,
    /// Builds services.
    pub builds: Arc<dyn Builds>,
    /// Keeps output.
    pub logs: Arc<dyn Logs>,
    /// Chooses ports.
    pub ports: Arc<dyn Ports>,
    /// The rest of the system.
    pub surroundings: Arc<dyn Surroundings>,
    /// Tells the time of events.
    pub clock: Arc<dyn Clock>,
    /// Where the jitter of restarts comes from: the same seed, the same delays.
    pub seed: u64,
}

/// Builds services, one at a time; a command that several share runs once.
pub trait Builds: Send + Sync {
    /// Builds. Cancelling it ends the build.
    fn build<'a>(&'a self, order: &'a BuildOrder) -> BoxFuture<'a, Result<Built, BuildFailure>>;

    /// These versions run or may run again; other artefacts of the service may be deleted.
    fn keep_only(&self, service: &ServiceName, versions: &[VersionId]);
}

/// What to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOrder {
    /// For which service.
    pub service: ServiceName,
    /// What makes it; none when there is nothing to make.
    pub build: Option<Command>,
    /// What will be run, and so what to keep of the build.
    pub run: Command,
    /// The working directory of both, absolute.
    pub dir: PathBuf,
    /// The whole environment of the build.
    pub environment: Environment,
}

/// A build that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its id.
    pub version: VersionId,
    /// What runs it: the command of the plan, its program replaced where the build made it.
    pub run: Command,
}

/// A build that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BuildFailure {
    /// Why.
    pub reason: String,
    /// The last lines it wrote.
    pub lines: Vec<String>,
}

/// Keeps the output of processes.
pub trait Logs: Send + Sync {
    /// Where the output of an instance of `service` goes; of its task where there is no instance.
    fn sink(&self, service: &ServiceName, instance: &InstanceId) -> Arc<dyn OutputSink>;
}

/// Chooses ports for services.
pub trait Ports: Send + Sync {
    /// A port that nothing uses; it is not given again before it is released.
    fn claim(&self) -> io::Result<u16>;

    /// Takes a fixed port, which nothing else may be using.
    fn claim_fixed(&self, port: u16) -> io::Result<()>;

    /// The port is not needed any more.
    fn release(&self, port: u16);
}

/// What the supervisor asks of the gateway and of the other parts.
pub trait Surroundings: Send + Sync {
    /// Where `caller` reaches `callee`: the listener for the two, the same for the whole run.
    fn call_address(&self, caller: &ServiceName, callee: &ServiceName) -> Option<SocketAddr>;

    /// Variables of the parts that run: brokers, collectors, discovery.
    fn variables(&self, service: &ServiceName) -> BTreeMap<String, String>;

    /// Resolves once no request is with the instance, which is in the catalog no more, or after
    /// `bound`; says how many are left.
    fn drained<'a>(&'a self, instance: &'a InstanceId, bound: Duration) -> BoxFuture<'a, usize>;
}

/// The config but for the plan, with what the parts of the supervisor share.
pub(crate) struct Parts {
    pub(crate) root: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) inherited: Environment,
    pub(crate) catalog: Published<Catalog>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) prober: Arc<dyn Prober>,
    pub(crate) builds: Arc<dyn Builds>,
    pub(crate) logs: Arc<dyn Logs>,
    pub(crate) ports: Arc<dyn Ports>,
    pub(crate) surroundings: Arc<dyn Surroundings>,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
}

impl Parts {
    /// The config as its plan and its parts.
    pub(crate) fn of(config: Config) -> (Arc<Plan>, Arc<Self>) {
        let parts = Self {
            root: config.root,
            data: config.data,
            inherited: config.inherited,
            catalog: config.catalog,
            host: config.host,
            prober: config.prober,
            builds: config.builds,
            logs: config.logs,
            ports: config.ports,
            surroundings: config.surroundings,
            events: Events::new(config.clock.clone()),
            clock: config.clock,
            seed: config.seed,
        };
        (config.plan, Arc::new(parts))
    }

    /// Writes one change into the catalog.
    pub(crate) fn publish(&self, change: Change) {
        self.catalog.update(|catalog| catalog.apply(change));
    }

    /// A working directory of the plan, absolute.
    pub(crate) fn dir(&self, dir: &Path) -> PathBuf {
        let absolute = self.root.join(dir);
        // "." would stand in every message and in the service's own working directory.
        absolute.components().collect()
    }
}
