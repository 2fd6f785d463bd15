//! Each part as another one asks for it: the parts know nothing of each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use polity_core::{InstanceId, ServiceName};
use polity_supervisor::process::BoxFuture;
use polity_supervisor::supervisor::parts::Surroundings;

use super::events::Events;

/// The gateway and the log of events, as the supervisor asks for them.
pub struct Gate {
    pub gateway: polity_gateway::Handle,
    pub events: Events,
}

impl Surroundings for Gate {
    fn call_address(&self, caller: &ServiceName, callee: &ServiceName) -> Option<SocketAddr> {
        self.gateway.call_address(caller, callee)
    }

    fn variables(&self, _: &ServiceName) -> BTreeMap<String, String> {
        self.events.variables()
    }

    fn drained<'a>(&'a self, instance: &'a InstanceId, bound: Duration) -> BoxFuture<'a, usize> {
        Box::pin(self.gateway.drained(instance, bound))
    }
}

/// Polity's own environment; a variable that is not text is nothing a service could be given.
pub fn inherited() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
