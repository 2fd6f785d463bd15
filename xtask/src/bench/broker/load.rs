//! The client, and what a broker uses while it is at work.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use super::brokers::{Broker, Durability, Fsync, Maker};
use crate::bench::cpu::{self, Core, Usage};
use crate::bench::figures::Metric;
use crate::bench::ground::Ground;
use crate::bench::open_loop::{self, Outcome};
use crate::bench::process::{Process, pinned};
use crate::table::number;

pub(super) const RECORDS_PER_CPU: Metric = metric("records per CPU second", "/s");
pub(super) const MEGABYTES_PER_CPU: Metric = metric("MB per CPU second", "MB/s");
pub(super) const RECORDS: Metric = metric("records per second", "/s");
pub(super) const P50: Metric = metric("p50", "us");
pub(super) const P99: Metric = metric("p99", "us");

/// What is left to do after the last answer counts as well.
const SETTLE: Duration = Duration::from_millis(400);

pub(super) const fn metric(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit }
}

/// One run of the client.
pub(super) struct Measured {
    pub(super) outcome: Outcome,
    /// What the broker used for it.
    pub(super) cpu_seconds: f64,
}

impl Measured {
    fn number(&self, name: &str) -> f64 {
        self.outcome.number(name)
    }

    pub(super) fn p50(&self) -> f64 {
        self.number("p50_us")
    }

    pub(super) fn p99(&self) -> f64 {
        self.number("p99_us")
    }

    pub(super) fn records_per_cpu(&self) -> f64 {
        self.number("records") / self.cpu_seconds
    }

    pub(super) fn megabytes_per_cpu(&self) -> f64 {
        self.number("bytes") / 1e6 / self.cpu_seconds
    }

    pub(super) fn megabytes_per_second(&self) -> f64 {
        self.number("bytes") / 1e6 / self.number("seconds")
    }

    pub(super) fn records_per_second(&self) -> f64 {
        self.number("records") / self.number("seconds")
    }
}

/// A figure, and how it comes from a run.
pub(super) type Reading = (Metric, fn(&Measured) -> f64);

/// Adds a run to the figures, or what went wrong with it.
pub(super) fn note(
    ground: &mut Ground,
    workload: &'static str,
    broker: &Broker,
    readings: &[Reading],
    measured: anyhow::Result<Measured>,
) -> anyhow::Result<()> {
    match measured {
        Ok(measured) => {
            let mut line = format!("  {:<8}", broker.name());
            for (metric, read) in readings {
                let value = read(&measured);
                ground.figures.add(workload, *metric, broker.name(), value);
                line += &format!("  {} {}", number(value), metric.name);
            }
            println!("{line}");
        }
        Err(error) => {
            ground.check_interrupt()?;
            let metrics: Vec<Metric> = readings.iter().map(|(metric, _)| *metric).collect();
            ground.defect(workload, &metrics, broker.name(), &format!("{error:#}"));
        }
    }
    Ok(())
}

/// Runs the client, and takes what the broker uses meanwhile.
pub(super) fn measure(
    ground: &Ground,
    broker: &Broker,
    client: &mut Command,
) -> anyhow::Result<Measured> {
    ground.check_interrupt()?;
    sleep(SETTLE);
    let core = Core::read(&ground.cores.proxy);
    let (before, coarse) = (Usage::of(broker.pid()), cpu::coarse(broker.pid()));
    let outcome = open_loop::outcome(client)?;
    sleep(SETTLE);
    let used = Usage::of(broker.pid()).since(&before);
    let nanoseconds = match used.ended_threads {
        0 => used.nanoseconds,
        _ => cpu::coarse(broker.pid()).saturating_sub(coarse),
    };
    if let (Some(core), Some(now)) = (core, Core::read(&ground.cores.proxy)) {
        ground.note_others(now.taken_by_others(&core, nanoseconds));
    }
    Ok(Measured {
        outcome,
        cpu_seconds: nanoseconds as f64 / 1e9,
    })
}

/// The client of a broker, about to do something.
fn client(ground: &Ground, maker: &Maker, what: &str) -> Command {
    let mut command = pinned(&ground.cores.load, &ground.programs.instruments);
    command.args([maker.client, what]);
    command
}

/// A topic of a broker, with so many partitions.
pub(super) struct Topic<'a> {
    pub(super) broker: &'a Broker,
    pub(super) name: &'a str,
    pub(super) partitions: u32,
    pub(super) durability: Durability,
}

impl Topic<'_> {
    pub(super) fn create(&self, ground: &Ground) -> anyhow::Result<()> {
        let mut command = self.client(ground, "create");
        command.arg(format!("--partitions={}", self.partitions));
        if let (Durability::Fsync, Fsync::Topic(setting)) =
            (self.durability, self.broker.maker.fsync)
        {
            command.arg(format!("--config={setting}"));
        }
        finish(&mut command).with_context(|| format!("could not make {}", self.name))
    }

    pub(super) fn delete(&self, ground: &Ground) -> anyhow::Result<()> {
        finish(&mut self.client(ground, "delete"))
            .with_context(|| format!("could not delete {}", self.name))
    }

    /// The client, about to do something with it.
    pub(super) fn client(&self, ground: &Ground, what: &str) -> Command {
        let mut command = client(ground, self.broker.maker, what);
        command
            .arg(format!("--address={}", self.broker.address))
            .arg(format!("--topic={}", self.name));
        command
    }
}

/// Runs the client to its end.
pub(super) fn finish(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        bail!(
            "{}",
            String::from_utf8_lossy(&output.stderr).trim().to_owned()
        );
    }
    Ok(())
}

/// Waits for a broker's first acknowledgement.
pub(super) struct First {
    process: Process,
    log: PathBuf,
}

/// Begins to wait; the broker may be started now.
pub(super) fn first(
    ground: &Ground,
    maker: &Maker,
    address: SocketAddr,
    patience: Duration,
) -> anyhow::Result<First> {
    let mut command = client(ground, maker, "first");
    command.arg(format!("--address={address}"));
    command.arg("--topic=first");
    command.arg(format!("--patience-seconds={}", patience.as_secs()));
    let log = ground
        .folder()
        .join(format!("first-{}.log", address.port()));
    Ok(First {
        process: Process::start(command, &log)?,
        log,
    })
}

impl First {
    /// When it came, if it has, or why it has not.
    pub(super) fn poll(&mut self) -> Option<anyhow::Result<SystemTime>> {
        match self.process.ended() {
            Ok(None) => None,
            Ok(Some(_)) => Some(self.read()),
            Err(error) => Some(Err(error)),
        }
    }

    fn read(&self) -> anyhow::Result<SystemTime> {
        let said = fs::read_to_string(&self.log)?;
        let nanoseconds: u64 = said
            .trim()
            .parse()
            .with_context(|| said.trim().to_owned())?;
        Ok(UNIX_EPOCH + Duration::from_nanos(nanoseconds))
    }
}
