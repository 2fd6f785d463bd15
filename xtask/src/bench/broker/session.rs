//! The brokers that run throughout, warmed up, and the order in which they have their turn.

use std::process::ExitCode;

use anyhow::Context;

use super::brokers::{Broker, Durability, Fsync, Stable};
use super::{Options, flow, produce, report, workloads};
use crate::bench::ground::Ground;
use crate::dist;

/// How long everything is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) rounds: usize,
    pub(super) seconds: f64,
    /// Of load of each kind, once, for what compiles itself while it runs; flows have half of it.
    pub(super) warm_up_seconds: f64,
    pub(super) bulk_records: u64,
    pub(super) gigabytes: u64,
}

const USUAL: Pace = Pace {
    rounds: 3,
    seconds: 4.0,
    warm_up_seconds: 12.0,
    bulk_records: 1_000_000,
    gigabytes: 0,
};
const QUICK: Pace = Pace {
    rounds: 1,
    seconds: 1.0,
    warm_up_seconds: 1.0,
    bulk_records: 100_000,
    gigabytes: 0,
};

/// What a warm-up produces at most, lest who is fast fills the disk.
const WARM_UP_BULKS: u64 = 4;

/// Brokers end before the folder they write to.
pub(super) struct Session {
    pub(super) pace: Pace,
    pub(super) brokers: Vec<Broker>,
    pub(super) stable: Stable,
    pub(super) ground: Ground,
}

impl Session {
    /// Builds, and sees who is there.
    pub(super) fn begin(options: &Options) -> anyhow::Result<Self> {
        let common = &options.common;
        let usual = if common.quick { QUICK } else { USUAL };
        let pace = Pace {
            rounds: common.rounds.unwrap_or(usual.rounds).max(1),
            gigabytes: if common.quick { 1 } else { options.gigabytes },
            ..usual
        };
        // Where cargo builds is a disk; the usual folder for temporary files may be memory.
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let above = dist::target(root.context("xtask has no parent folder")?).join("bench");
        std::fs::create_dir_all(&above)?;
        let ground = Ground::prepare(common, Some(&above))?;
        Ok(Self {
            pace,
            brokers: Vec::new(),
            stable: Stable::open(&ground, common.peers.as_deref())?,
            ground,
        })
    }

    pub(super) fn run(mut self, options: &Options) -> anyhow::Result<ExitCode> {
        for (peer, install) in &self.stable.missing {
            println!("{peer} is not installed and left out: {install}");
        }
        let workloads = workloads::chosen(&options.common.only)?;
        if workloads.iter().any(|it| it.needs_brokers()) {
            self.start()?;
            self.warm_up()?;
        }
        let mut failed = false;
        for workload in workloads {
            println!("{}", workload.name());
            if let Err(error) = workload.run(&mut self) {
                self.ground.check_interrupt()?;
                println!("DEFECT {}: {error:#}", workload.name());
                failed = true;
            }
        }
        report::write(&self, options, failed)?;
        Ok(match failed {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        })
    }

    /// Whoever is told by its command line how durable records are runs twice.
    fn start(&mut self) -> anyhow::Result<()> {
        let makers: Vec<_> = self.stable.makers().collect();
        for maker in makers {
            println!("starting {}", maker.name);
            let durabilities = match maker.fsync {
                Fsync::Process => &[Durability::Os, Durability::Fsync][..],
                Fsync::Topic(_) | Fsync::Never => &[Durability::Os],
            };
            for durability in durabilities {
                let broker = self.stable.start(&self.ground, maker, *durability)?;
                self.brokers.push(broker);
            }
        }
        Ok(())
    }

    /// All kinds of load, on all brokers.
    fn warm_up(&self) -> anyhow::Result<()> {
        for broker in &self.brokers {
            println!("warming up {}", broker.name());
            if let Err(error) = self.warm_up_one(broker) {
                self.ground.check_interrupt()?;
                println!("DEFECT {} is not warm: {error:#}", broker.name());
            }
        }
        Ok(())
    }

    fn warm_up_one(&self, broker: &Broker) -> anyhow::Result<()> {
        let seconds = match broker.maker.compiles_itself {
            true => self.pace.warm_up_seconds,
            false => 1.0,
        };
        for load in [&produce::BULK, &produce::SMALL] {
            let records = WARM_UP_BULKS * self.pace.bulk_records;
            load.for_a_while(&self.ground, broker, seconds, records)?;
        }
        if broker.speaks_kafka() {
            for load in [&flow::TAIL, &flow::LATENCY] {
                load.once(&self.ground, seconds / 2.0, broker)?;
            }
        }
        Ok(())
    }
}
