//! Each part as another one asks for it: the parts know nothing of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polity_core::{InstanceId, ServiceName, VersionId};
use polity_supervisor::guardian::Guardian;
use polity_supervisor::output::LogStore;
use polity_supervisor::process::{BoxFuture, Exit, Host, Launch, OutputSink};
use polity_supervisor::supervisor::parts::{
    BuildFailure, BuildOrder, Builds, Built, Logs, Ports, Surroundings,
};

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

pub struct Output(pub LogStore);

impl Logs for Output {
    fn sink(&self, service: &ServiceName, instance: &InstanceId) -> Arc<dyn OutputSink> {
        self.0.sink(service, instance)
    }
}

struct Interim(Guardian, LogStore);

pub fn builds(guardian: &Guardian, logs: &LogStore, _: &Path) -> Arc<dyn Builds> {
    Arc::new(Interim(guardian.clone(), logs.clone()))
}

impl Builds for Interim {
    fn build<'a>(&'a self, order: &'a BuildOrder) -> BoxFuture<'a, Result<Built, BuildFailure>> {
        Box::pin(async move {
            if let Some(build) = &order.build {
                let launch = Launch {
                    words: build.words.clone(),
                    dir: order.dir.clone(),
                    env: order.environment.clone(),
                    output: self.1.sink(&order.service, &InstanceId::from("build")),
                };
                let failure = |reason: String| BuildFailure {
                    reason,
                    lines: vec![],
                };
                let process = self
                    .0
                    .launch(launch)
                    .await
                    .map_err(|e| failure(e.to_string()))?;
                let exit = process.exited().await;
                if exit != Exit::Code(0) {
                    return Err(failure(exit.to_string()));
                }
            }
            Ok(Built {
                version: VersionId::from("v1"),
                run: order.run.clone(),
            })
        })
    }
    fn keep_only(&self, _: &ServiceName, _: &[VersionId]) {}
}

struct AnyPorts(Mutex<BTreeSet<u16>>);

pub fn ports() -> Arc<dyn Ports> {
    Arc::new(AnyPorts(Mutex::default()))
}

impl Ports for AnyPorts {
    fn claim(&self) -> io::Result<u16> {
        Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
    }
    fn claim_fixed(&self, port: u16) -> io::Result<()> {
        TcpListener::bind(("127.0.0.1", port)).map(|_| ())
    }
    fn release(&self, _: u16) {}
}
