//! Each part as another one asks for it: the parts know nothing of each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use polity_core::{InstanceId, ServiceName};
use polity_supervisor::process::BoxFuture;
use polity_supervisor::supervisor::parts::Surroundings;

/// The gateway, as the supervisor asks for it.
pub struct Gate(pub polity_gateway::Handle);

impl Surroundings for Gate {
    fn call_address(&self, caller: &ServiceName, callee: &ServiceName) -> Option<SocketAddr> {
        self.0.call_address(caller, callee)
    }

    fn variables(&self, _: &ServiceName) -> BTreeMap<String, String> {
        // The parts that have variables (events, telemetry, discovery) are not in this version.
        BTreeMap::new()
    }

    fn drained<'a>(&'a self, instance: &'a InstanceId, bound: Duration) -> BoxFuture<'a, usize> {
        Box::pin(self.0.drained(instance, bound))
    }
}

/// Polity's own environment; a variable that is not text is nothing a service could be given.
pub fn inherited() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
