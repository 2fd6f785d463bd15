//! The handle to a running supervisor: what people and the admin API ask of it.

use std::sync::Arc;

use polity_core::ServiceName;
use polity_plan::Plan;
use tokio::sync::{mpsc, oneshot};

use super::registry::Registry;
use super::{Applied, Edited};
use crate::event::{EventStream, Events};
use crate::service::actor::{Command, Envelope};
use crate::service::failure::Failure;
use crate::service::status::{Operation, ServiceStatus};

/// Tells the supervisor what to do, and how everything stands. Clones share it.
#[derive(Clone)]
pub struct Handle {
    registry: Registry,
    events: Events,
    plans: mpsc::Sender<Edited>,
}

/// Why a command was not carried out. None of them leaves less running than before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such service, or Polity does not run it.
    #[error("`{service}` is not a service that runs here; `polity ps` lists them")]
    Unknown {
        /// As asked for.
        service: String,
    },
    /// Somebody else's command is being carried out. A start or a changed plan is waited for.
    #[error("a {operation} of `{service}` is in progress; try again when it is done")]
    Busy {
        /// Which service.
        service: ServiceName,
        /// What is being done to it.
        operation: Operation,
    },
    /// It was tried and failed.
    #[error("{service}: {failure}")]
    Failed {
        /// Which service.
        service: ServiceName,
        /// Why.
        failure: Failure,
    },
    /// The system or the service stops.
    #[error("it is being stopped")]
    Stopping,
}

impl Handle {
    pub(super) fn new(registry: Registry, events: Events, plans: mpsc::Sender<Edited>) -> Self {
        Self {
            registry,
            events,
            plans,
        }
    }

    /// How every service that Polity runs stands, by name.
    pub fn status(&self) -> Vec<ServiceStatus> {
        let members = self.registry.all();
        members.values().map(|member| member.board.read()).collect()
    }

    /// The recent events and all that follow.
    pub fn events(&self) -> EventStream {
        self.events.subscribe()
    }

    /// Resolves once every service has become ready or failed for the first time. Cancelling it
    /// loses nothing.
    pub async fn started(&self) {
        for member in self.registry.all().values() {
            member.board.wait_for(|s| s.settled().then_some(())).await;
        }
    }

    /// Builds the service and replaces its instances one by one; on failure the old ones stay.
    pub async fn deploy(&self, service: &str) -> Result<(), CommandError> {
        self.command(service, Command::Deploy).await
    }

    /// Replaces the instances one by one by new ones of the same build.
    pub async fn restart(&self, service: &str) -> Result<(), CommandError> {
        self.command(service, Command::Restart).await
    }

    /// Runs this many instances, whatever the plan says, until it is edited.
    pub async fn scale(&self, service: &str, replicas: u32) -> Result<(), CommandError> {
        self.command(service, Command::Scale(replicas)).await
    }

    /// Applies the difference between the plan in force and this one. What it says is done when
    /// the services have been told; how it went is in the events.
    pub async fn apply(&self, plan: Arc<Plan>) -> Result<Applied, CommandError> {
        let (reply, applied) = oneshot::channel();
        let sent = self.plans.send(Edited { plan, reply }).await;
        sent.map_err(|_| CommandError::Stopping)?;
        applied.await.map_err(|_| CommandError::Stopping)
    }

    /// Cancelling it does not cancel what was begun.
    async fn command(&self, service: &str, command: Command) -> Result<(), CommandError> {
        let members = self.registry.all();
        let Some((name, member)) = members.get_key_value(service) else {
            let service = service.to_owned();
            return Err(CommandError::Unknown { service });
        };
        let Ok(turn) = member.turns.clone().try_acquire_owned() else {
            let operation = member.board.read().operation;
            return Err(CommandError::Busy {
                service: name.clone(),
                // Between two operations the one that holds the turn is about to begin.
                operation: operation.unwrap_or(Operation::Deploy),
            });
        };
        let (reply, done) = oneshot::channel();
        let envelope = Envelope {
            command,
            reply,
            turn,
        };
        let sent = member.commands.send(envelope).await;
        sent.map_err(|_| CommandError::Stopping)?;
        let done = done.await.map_err(|_| CommandError::Stopping)?;
        done.map_err(|failure| CommandError::Failed {
            service: name.clone(),
            failure,
        })
    }
}
