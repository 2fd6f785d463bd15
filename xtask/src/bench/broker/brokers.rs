//! The brokers: which are here, and how they are started.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};

use super::{kafka, load, nats, polity};
use crate::bench::contenders::free_address;
use crate::bench::ground::{Ground, rotated};
use crate::bench::process::{Process, pinned};

/// From start to the first answer.
const START: Duration = Duration::from_secs(60);

/// When a record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Once the operating system has it.
    Os,
    /// Once it is on the disk.
    Fsync,
}

/// How one broker is found and started.
pub(super) struct Maker {
    pub(super) name: &'static str,
    pub(super) install: &'static str,
    /// None where it is not installed.
    pub(super) find: fn(&Ground) -> anyhow::Result<Option<Found>>,
    /// Writes its configuration into the folder; gives the arguments that start it in the foreground.
    pub(super) configure: fn(&Place) -> anyhow::Result<Vec<String>>,
    pub(super) fsync: Fsync,
    /// The client's name for the protocol; others than Kafka's produce and nothing else.
    pub(super) client: &'static str,
    /// Whether it becomes faster while it runs.
    pub(super) compiles_itself: bool,
}

/// How a broker is told to have records on the disk before it answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fsync {
    /// When it is started.
    Process,
    /// By a setting of the topic.
    Topic(&'static str),
    /// It cannot be told so.
    Never,
}

/// A broker that is installed.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) program: PathBuf,
    pub(super) version: String,
    /// Where what it needs besides is.
    pub(super) home: PathBuf,
}

/// Where and how a broker works.
pub(super) struct Place<'a> {
    pub(super) found: &'a Found,
    /// A folder of its own.
    pub(super) folder: &'a Path,
    pub(super) address: SocketAddr,
    pub(super) durability: Durability,
}

/// A broker that runs.
pub(super) struct Broker {
    pub(super) maker: &'static Maker,
    /// What it was started for.
    durability: Durability,
    pub(super) address: SocketAddr,
    pub(super) folder: PathBuf,
    /// From the start of its process to the first record that it acknowledged.
    pub(super) started_in: Duration,
    process: Process,
}

const MAKERS: [&Maker; 3] = [&polity::MAKER, &kafka::MAKER, &nats::MAKER];

/// The protocol by which all can be done.
pub(super) const KAFKA: &str = "kafka";

/// Which brokers there are.
#[derive(Default)]
pub(super) struct Stable {
    found: Vec<(&'static Maker, Found)>,
    pub(super) versions: BTreeMap<String, String>,
    /// Those not installed, and what would change that.
    pub(super) missing: BTreeMap<&'static str, String>,
}

impl Stable {
    /// Polity, and of the others those in `wanted`, or all if that is not given.
    pub(super) fn open(ground: &Ground, wanted: Option<&[String]>) -> anyhow::Result<Self> {
        let names = MAKERS.map(|maker| maker.name);
        for name in wanted.unwrap_or_default() {
            let known = names.contains(&name.as_str());
            ensure!(
                known,
                "no broker is called {name}; there are {}",
                names.join(", ")
            );
        }
        let is_wanted = |name| wanted.is_none_or(|wanted| wanted.iter().any(|it| it == name));
        let mut stable = Self::default();
        for maker in MAKERS {
            if maker.name != polity::MAKER.name && !is_wanted(maker.name) {
                continue;
            }
            match (maker.find)(ground) {
                Ok(Some(found)) => {
                    let name = maker.name.to_owned();
                    stable.versions.insert(name, found.version.clone());
                    stable.found.push((maker, found));
                }
                Ok(None) => _ = stable.missing.insert(maker.name, maker.install.to_owned()),
                Err(error) => {
                    let why = format!("{}: {error:#}", maker.install);
                    stable.missing.insert(maker.name, why);
                }
            }
        }
        Ok(stable)
    }

    pub(super) fn makers(&self) -> impl Iterator<Item = &'static Maker> {
        self.found.iter().map(|(maker, _)| *maker)
    }

    /// Starts one with an empty log, and waits until it has acknowledged a record.
    pub(super) fn start(
        &self,
        ground: &Ground,
        maker: &'static Maker,
        durability: Durability,
    ) -> anyhow::Result<Broker> {
        self.start_inner(ground, maker, durability)
            .with_context(|| format!("could not start {}", maker.name))
    }

    fn start_inner(
        &self,
        ground: &Ground,
        maker: &'static Maker,
        durability: Durability,
    ) -> anyhow::Result<Broker> {
        let found = self.found.iter().find(|(it, _)| it.name == maker.name);
        let (_, found) = found.context("it is not here")?;
        let address = free_address()?;
        let folder = ground
            .folder()
            .join(format!("{}-{}", maker.name, address.port()));
        fs::create_dir(&folder)?;
        let place = Place {
            found,
            folder: &folder,
            address,
            durability,
        };
        let arguments = (maker.configure)(&place)?;
        let mut command = pinned(&ground.cores.proxy, &found.program);
        command.args(arguments);
        let mut first = load::first(ground, maker, address, START)?;
        let began = SystemTime::now();
        let mut process = Process::start(command, &folder.join("output.log"))?;
        let mut acknowledged = None;
        process.wait_until(START, || {
            acknowledged = first.poll();
            acknowledged.is_some()
        })?;
        let acknowledged = acknowledged.context("no record was acknowledged")??;
        Ok(Broker {
            maker,
            durability,
            address,
            folder,
            started_in: acknowledged.duration_since(began).unwrap_or_default(),
            process,
        })
    }
}

/// Those whose topics can be so durable, in the order of round `round`.
pub(super) fn in_turn(
    brokers: &[Broker],
    round: usize,
    durability: Durability,
) -> impl Iterator<Item = &Broker> {
    let serve = |broker: &&Broker| broker.serves(durability);
    let brokers: Vec<&Broker> = brokers.iter().filter(serve).collect();
    let places = rotated(brokers.len(), round);
    places.into_iter().map(move |place| brokers[place])
}

impl Broker {
    pub(super) fn name(&self) -> &'static str {
        self.maker.name
    }

    /// Whether its topics can be so durable.
    fn serves(&self, durability: Durability) -> bool {
        match self.maker.fsync {
            Fsync::Process | Fsync::Never => self.durability == durability,
            Fsync::Topic(_) => true,
        }
    }

    /// Whether it can be given all kinds of load.
    pub(super) fn speaks_kafka(&self) -> bool {
        self.maker.client == KAFKA
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }
}
