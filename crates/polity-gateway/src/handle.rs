//! What other parts may ask of a running gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_core::{InstanceId, ServiceName};
use polity_plan::Plan;
use polity_runtime::Published;
use tokio::sync::{mpsc, oneshot};

use crate::builder::Builder;
use crate::listeners::{Addresses, ListenError};
use crate::policy::Call;
use crate::standing::Standing;
use crate::statistics::Summary;
use crate::tls::TlsError;

/// From one look at an instance that is being left to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Why a plan was not put in force; the one before it stays.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A new address could not be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There is no certificate to serve with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The gateway has stopped.
    #[error("the gateway has stopped")]
    Stopped,
}

/// A running gateway. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    builder: Arc<Builder>,
    addresses: Published<Addresses>,
    commands: mpsc::Sender<Command>,
}

pub(crate) enum Command {
    Apply {
        plan: Arc<Plan>,
        done: oneshot::Sender<Result<(), ApplyError>>,
    },
}

impl Handle {
    pub(crate) fn new(
        builder: Arc<Builder>,
        addresses: Published<Addresses>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self {
            builder,
            addresses,
            commands,
        }
    }

    /// Where requests from outside are taken.
    pub fn public_address(&self) -> SocketAddr {
        self.addresses.load().public
    }

    /// Where requests are sent to HTTPS from; none where that is done by the same port alone.
    pub fn plain_address(&self) -> Option<SocketAddr> {
        self.addresses.load().plain
    }

    /// The root that clients have to trust where certificates are made here.
    pub fn local_authority(&self) -> Option<PathBuf> {
        self.addresses.load().local_authority.clone()
    }

    /// Where `caller` reaches `callee`; none where the plan does not declare the call.
    pub fn call_address(&self, caller: &ServiceName, callee: &ServiceName) -> Option<SocketAddr> {
        let call = Call {
            caller: caller.clone(),
            callee: callee.clone(),
        };
        self.addresses.load().calls.get(&call).copied()
    }

    /// Puts a plan in force: routes and policies in place, listeners added and removed. Requests
    /// in flight, and connections of listeners that stay, notice nothing.
    ///
    /// # Errors
    /// When a new address cannot be listened on: the plan before it stays in force.
    pub async fn apply(&self, plan: Arc<Plan>) -> Result<(), ApplyError> {
        let (done, applied) = oneshot::channel();
        let command = Command::Apply { plan, done };
        self.commands
            .send(command)
            .await
            .map_err(|_| ApplyError::Stopped)?;
        applied.await.map_err(|_| ApplyError::Stopped)?
    }

    /// Waits, for `bound` at most, until no request is at an instance that the catalog no longer
    /// lists, and none will ever be; returns how many are left.
    ///
    /// It does not matter whether the data plane has heard of the removal yet: the snapshot is
    /// rebuilt here, and a request that was about to go there by an older one finds the instance
    /// retired and goes elsewhere.
    pub async fn drained(&self, id: &InstanceId, bound: Duration) -> usize {
        self.builder.rebuild();
        let Some(instance) = self.builder.instance(id) else {
            return 0;
        };
        instance.endpoint.retire();
        let until = Instant::now() + bound;
        while !instance.endpoint.is_drained() && Instant::now() < until {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        usize::try_from(instance.endpoint.in_flight()).unwrap_or(usize::MAX)
    }

    /// What a service does; none when the plan has no such service.
    pub fn stats(&self, service: &ServiceName) -> Option<Summary> {
        let snapshot = self.builder.current();
        Some(snapshot.service(service.as_str())?.summary(Instant::now()))
    }

    /// Why an instance that is ready gets no requests; none if it does.
    pub fn why_left_out(&self, id: &InstanceId) -> Option<String> {
        self.builder.instance(id)?.why_left_out(Instant::now())
    }

    /// What an instance does; none when it is gone.
    pub fn instance_stats(&self, id: &InstanceId) -> Option<Summary> {
        Some(self.builder.instance(id)?.summary(Instant::now()))
    }

    /// How an instance stands beside the others of its service; none when it is gone.
    pub fn standing(&self, id: &InstanceId) -> Option<Standing> {
        let snapshot = self.builder.current();
        snapshot.services.iter().find_map(|service| {
            let instance = service.instances().find(|instance| instance.id == *id)?;
            Some(Standing::of(instance, service, Instant::now()))
        })
    }
}
