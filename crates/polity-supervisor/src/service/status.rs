//! How a service and its instances stand: what `polity ps` shows, and what the actors act upon.

use std::net::SocketAddr;
use std::sync::Arc;

use polity_core::{InstanceId, ServiceName, VersionId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::process::Exit;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub service: ServiceName,
    /// How it is reached.
    pub kind: Kind,
    /// How many instances there should be.
    pub replicas: u32,
    /// How many the plan says, where `scale` overrides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_replicas: Option<u32>,
    /// How far it has come.
    pub stage: Stage,
    /// What is being done to it: "deploy", "restart"...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The build that new instances run; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// What it waits for, or why it or its last operation failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its instances, oldest first.
    pub instances: Vec<InstanceStatus>,
}

/// How a service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// By HTTP.
    Http,
    /// By TCP.
    Tcp,
    /// Not at all: it listens on nothing.
    Worker,
}

/// How far a service has come since it was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Its build runs.
    Building,
    /// It waits for the services it calls.
    Waiting,
    /// A task before it runs.
    Tasks,
    /// Its first instances start.
    Starting,
    /// Every instance has become ready or failed once; see the instances.
    Running,
    /// It has no instance, because its build or a task before it failed.
    Failed,
    /// It stops.
    Stopping,
    /// It has stopped.
    Stopped,
}

/// What is being done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Its first start.
    Start,
    /// A new build replaces the old.
    Deploy,
    /// New instances of the same build replace the old.
    Restart,
    /// The number of its instances changes.
    Scale,
    /// A changed plan is applied.
    Apply,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its id.
    pub id: InstanceId,
    /// What it does.
    pub state: InstanceState,
    /// Its process, while it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Where it listens, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// The build it runs.
    pub version: VersionId,
    /// How often it was started again after it had failed.
    pub restarts: u32,
    /// Since when it has been in this state, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// How its last process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The last lines it wrote before it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// What an instance does. Only `Ready` ones are given requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Its process starts and is not ready yet.
    Starting,
    /// It passes its checks.
    Ready,
    /// It runs and fails its checks.
    Unready,
    /// Its process ended or never became ready; it waits to be started again.
    Backoff,
    /// The same, again and again.
    CrashLoop,
    /// It failed and is not started again: the instance it was to replace stays.
    Failed,
    /// It is given nothing more and finishes what it has.
    Draining,
    /// Its process was told to end.
    Stopping,
    /// It is gone.
    Stopped,
}

/// Where a service's actor and its instances write how they stand, and everybody reads it.
#[derive(Clone)]
pub(crate) struct Board {
    status: Arc<watch::Sender<ServiceStatus>>,
}

impl ServiceStatus {
    /// The instance of this id.
    pub fn instance(&self, id: &InstanceId) -> Option<&InstanceStatus> {
        self.instances.iter().find(|instance| instance.id == *id)
    }

    /// How many instances are ready.
    pub fn ready(&self) -> usize {
        let ready = |instance: &&InstanceStatus| instance.state == InstanceState::Ready;
        self.instances.iter().filter(ready).count()
    }

    /// Whether its first start is over, for better or worse.
    pub fn settled(&self) -> bool {
        !matches!(
            self.stage,
            Stage::Building | Stage::Waiting | Stage::Tasks | Stage::Starting
        )
    }
}

impl InstanceState {
    /// Whether the attempt to start it is over and failed.
    pub fn has_failed(self) -> bool {
        matches!(self, Self::Backoff | Self::CrashLoop | Self::Failed)
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Deploy => "deploy",
            Self::Restart => "restart",
            Self::Scale => "scale",
            Self::Apply => "change of the plan",
        })
    }
}

impl Board {
    pub(crate) fn new(status: ServiceStatus) -> Self {
        Self {
            status: Arc::new(watch::Sender::new(status)),
        }
    }

    pub(crate) fn read(&self) -> ServiceStatus {
        self.status.borrow().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut ServiceStatus)) {
        self.status.send_modify(change);
    }

    /// Waits until `condition` holds and says what it saw. Cancelling it loses nothing.
    pub(crate) async fn wait_for<T>(
        &self,
        mut condition: impl FnMut(&ServiceStatus) -> Option<T>,
    ) -> T {
        let mut changes = self.status.subscribe();
        loop {
            if let Some(seen) = condition(&changes.borrow_and_update()) {
                return seen;
            }
            let changed = changes.changed().await;
            changed.expect("the sender lives as long as this board");
        }
    }

    pub(crate) fn update_instance(
        &self,
        id: &InstanceId,
        change: impl FnOnce(&mut InstanceStatus),
    ) {
        self.update(|status| {
            let instance = status.instances.iter_mut().find(|known| known.id == *id);
            if let Some(instance) = instance {
                change(instance);
            }
        });
    }
}
