//! The other proxies: where they are found, how they are tuned and started.

mod caddy;
mod envoy;
mod haproxy;
mod nginx;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::topology::Topology;

/// How many idle connections to a service a contender may keep: more than any workload has clients,
/// or, where there are many services, than it has for each.
const KEPT: usize = 1024;
const FEW: usize = 3;
const KEPT_FOR_EACH_OF_MANY: usize = 64;

/// A proxy that others have made.
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// What installs it on Debian.
    pub(super) install: &'static str,
    /// What makes it say its version.
    pub(super) version: &'static [&'static str],
    /// Writes its configuration and adds to the command what starts it in the foreground.
    pub(super) configure: fn(&Place, &mut Command) -> anyhow::Result<()>,
}

/// Where and for whom a contender works.
pub(super) struct Place<'a> {
    /// A folder of its own.
    pub(super) folder: &'a Path,
    /// Where it listens, on 127.0.0.1.
    pub(super) port: u16,
    /// The origin's, on 127.0.0.1.
    pub(super) origin: u16,
    pub(super) topology: &'a Topology,
}

pub(super) const PEERS: [Peer; 4] = [nginx::PEER, haproxy::PEER, envoy::PEER, caddy::PEER];

impl Peer {
    pub(super) fn program(&self) -> Option<PathBuf> {
        super::machine::find(self.name)
    }
}

impl Place<'_> {
    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn kept(&self) -> usize {
        match self.topology.services.len() {
            few if few <= FEW => KEPT,
            _ => KEPT_FOR_EACH_OF_MANY,
        }
    }

    /// Every prefix with the name of its service.
    fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        let services = self.topology.services.iter();
        services.flat_map(|service| {
            let prefixes = service.prefixes.iter();
            prefixes.map(|prefix| (prefix.as_str(), service.name.as_str()))
        })
    }
}
