//! Polity and its peers, started side by side on the proxy's core.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::build::Programs;
use super::machine;
use super::peers::{PEERS, Peer, Place};
use super::process::{Process, pinned};
use super::topology::Topology;

pub(super) const POLITY: &str = "polity";
/// A relay that does nothing in user space: what it uses is the kernel's part of what a proxy does.
pub(super) const FLOOR: &str = "floor";
/// Polity and the peers that are in one class with it: what needs rates alike, or is long, is measured of
/// these only.
pub(super) const CLASS: [&str; 3] = [POLITY, "nginx", "haproxy"];
/// Where contenders listen.
const PORTS: Range<u16> = 10_000..20_000;
/// From start to the first answer.
const START: Duration = Duration::from_secs(30);
const READ: Duration = Duration::from_secs(2);

/// A proxy that runs.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    process: Process,
}

/// What to start, and where.
#[derive(Debug)]
pub(super) struct Stable {
    /// Polity first.
    programs: Vec<(String, PathBuf)>,
    cores: String,
    folder: PathBuf,
    pub(super) versions: BTreeMap<String, String>,
    /// Peers that are not installed, and what would change that.
    pub(super) missing: BTreeMap<&'static str, &'static str>,
}

impl Stable {
    /// Polity, and the floor and those of the peers that are installed, if they are in `wanted` or that is
    /// not given.
    pub(super) fn open(
        built: &Programs,
        wanted: Option<&[String]>,
        cores: &str,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut stable = Self {
            programs: vec![(POLITY.to_owned(), built.polity.clone())],
            cores: cores.to_owned(),
            folder: folder.to_owned(),
            versions: BTreeMap::new(),
            missing: BTreeMap::new(),
        };
        let peers = PEERS.iter().map(|peer| peer.name);
        let names: Vec<&str> = peers.chain([FLOOR]).collect();
        for name in wanted.unwrap_or_default() {
            let known = names.contains(&name.as_str());
            ensure!(
                known,
                "no peer is called {name}; there are {}",
                names.join(", ")
            );
        }
        let is_wanted = |name| wanted.is_none_or(|wanted| wanted.iter().any(|it| it == name));
        for peer in PEERS.iter().filter(|peer| is_wanted(peer.name)) {
            match peer.program() {
                Some(program) => stable.programs.push((peer.name.to_owned(), program)),
                None => _ = stable.missing.insert(peer.name, peer.install),
            }
        }
        if is_wanted(FLOOR) {
            let relay = built.instruments.clone();
            stable.programs.push((FLOOR.to_owned(), relay));
        }
        for (name, program) in &stable.programs {
            let arguments = peer(name).map_or(&["--version"][..], |peer| peer.version);
            let version = machine::output(&program.to_string_lossy(), arguments);
            stable.versions.insert(name.clone(), version);
        }
        Ok(stable)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|(name, _)| name.as_str())
    }

    /// Forgets all others.
    pub(super) fn keep(&mut self, names: &[&str]) {
        self.programs
            .retain(|(name, _)| names.contains(&name.as_str()));
        self.versions
            .retain(|name, _| names.contains(&name.as_str()));
    }

    /// Starts the one called `name` in front of the origin at `origin`, and waits until it answers `path`.
    pub(super) fn start(
        &self,
        name: &str,
        origin: SocketAddr,
        topology: &Topology,
        path: &str,
    ) -> anyhow::Result<Contender> {
        self.start_inner(name, origin, topology, path)
            .with_context(|| format!("could not start {name}"))
    }

    fn start_inner(
        &self,
        name: &str,
        origin: SocketAddr,
        topology: &Topology,
        path: &str,
    ) -> anyhow::Result<Contender> {
        let (_, program) = self
            .programs
            .iter()
            .find(|(listed, _)| listed == name)
            .context("it is not here")?;
        let address = free_address()?;
        let folder = self.folder.join(format!("{name}-{}", address.port()));
        fs::create_dir(&folder)?;
        let place = Place {
            folder: &folder,
            port: address.port(),
            origin: origin.port(),
            topology,
        };
        let mut command = pinned(&self.cores, program);
        match peer(name) {
            Some(peer) => (peer.configure)(&place, &mut command)?,
            None if name == FLOOR => configure_floor(&place, &mut command),
            None => configure_polity(&place, "", &mut command)?,
        }
        let mut process = Process::start(command, &folder.join("output.log"))?;
        process.wait_until(START, || answers(address, path))?;
        Ok(Contender {
            name: name.to_owned(),
            address,
            process,
        })
    }
}

impl Contender {
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The plan that a user would write, with further lines for the `gateway`, and the access log that a
/// user would ask for.
pub(super) fn configure_polity(
    place: &Place,
    gateway: &str,
    command: &mut Command,
) -> anyhow::Result<()> {
    let mut plan = format!(
        // All clients come from one address.
        "[gateway]\nlisten = \"127.0.0.1:{}\"\nlimits.connections_per_address = false\n{gateway}\n\
         [console]\nlisten = \"127.0.0.1:0\"\n",
        place.port
    );
    for service in &place.topology.services {
        let name = &service.name;
        let urls: Vec<String> = service
            .instances
            .iter()
            .map(|instance| format!("\"http://{instance}:{}\"", place.origin))
            .collect();
        plan += &format!("\n[service.{name}]\nurls = [{}]\n", urls.join(", "));
        for prefix in &service.prefixes {
            plan += &format!("\n[[service.{name}.routes]]\npath = \"{prefix}\"\n");
        }
    }
    fs::write(place.folder.join("polity.toml"), plan)?;
    command.arg("up").arg(place.folder);
    command
        .arg("--access-log")
        .arg(place.folder.join("access.log"));
    Ok(())
}

fn configure_floor(place: &Place, command: &mut Command) {
    command
        .arg("relay")
        .arg(format!("--listen=127.0.0.1:{}", place.port))
        .arg(format!("--origin=127.0.0.1:{}", place.origin));
}

fn peer(name: &str) -> Option<&'static Peer> {
    PEERS.iter().find(|peer| peer.name == name)
}

/// An address on which nobody listens, below the ports that connections are given: many thousands of
/// these are in use here, and would be in the way of who listens a moment later.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Two benchmarks at once begin at different places.
    let first = (std::process::id() % u32::from(PORTS.end - PORTS.start)) as u16;
    for _ in PORTS {
        let offset = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + offset % (PORTS.end - PORTS.start);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener.local_addr()?);
        }
    }
    bail!("no port from {} to {} is free", PORTS.start, PORTS.end)
}

/// Whether a GET of `path` is answered with 200.
pub(crate) fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(READ))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        // The floor has not read that the connection is to close.
        stream.shutdown(Shutdown::Write)?;
        // Read to the end, lest a reset be taken for a fault by who watches.
        std::io::copy(&mut stream, &mut std::io::sink())?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
