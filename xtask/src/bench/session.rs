//! One benchmark from start to end: what runs meanwhile, and in which order the contenders have their turn.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;

use super::contenders::{Contender, FLOOR, POLITY, Stable};
use super::ground::{Ground, rotated};
use super::process::{Process, first_line, pinned};
use super::topology::Topology;
use super::{Options, report, workloads, wrk};

/// How long everything is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) rounds: usize,
    pub(super) warm_up_seconds: usize,
    pub(super) seconds: usize,
    pub(super) open_loop_seconds: f64,
    /// How much of the long answer is read.
    pub(super) slow_reader_mebibytes: usize,
}

const USUAL: Pace = Pace {
    rounds: 5,
    warm_up_seconds: 1,
    seconds: 3,
    open_loop_seconds: 4.0,
    slow_reader_mebibytes: 1024,
};
const QUICK: Pace = Pace {
    rounds: 1,
    warm_up_seconds: 1,
    seconds: 1,
    open_loop_seconds: 1.0,
    slow_reader_mebibytes: 128,
};

/// Contenders end before the origin, and that before the folder they all write to.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) pace: Pace,
    pub(super) contenders: Vec<Contender>,
    pub(super) stable: Stable,
    /// Where the unlimited origin listens.
    pub(super) origin: SocketAddr,
    _origin: Process,
    pub(super) ground: Ground,
}

impl Session {
    /// Builds, and starts the origin.
    pub(super) fn begin(options: &Options) -> anyhow::Result<Self> {
        let ground = Ground::prepare(options, None)?;
        let (programs, cores) = (&ground.programs, &ground.cores);
        let peers = options.peers.as_deref();
        let stable = Stable::open(programs, peers, &cores.proxy, ground.folder())?;
        let (process, origin) = start_origin(&ground, &[])?;
        let mut pace = if options.quick { QUICK } else { USUAL };
        pace.rounds = options.rounds.unwrap_or(pace.rounds).max(1);
        Ok(Self {
            pace,
            contenders: Vec::new(),
            stable,
            origin,
            _origin: process,
            ground,
        })
    }

    pub(super) fn run(mut self, options: &Options) -> anyhow::Result<ExitCode> {
        wrk::ensure_installed()?;
        for (peer, install) in &self.stable.missing {
            println!("{peer} is not installed and left out: {install}");
        }
        let workloads = workloads::chosen(&options.only)?;
        self.start_contenders()?;
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

    /// A peer that does not start is left out; Polity must.
    fn start_contenders(&mut self) -> anyhow::Result<()> {
        let names: Vec<String> = self.stable.names().map(str::to_owned).collect();
        for name in names {
            let started = self
                .stable
                .start(&name, self.origin, &Topology::single(), "/1k");
            match started {
                Ok(contender) => self.contenders.push(contender),
                Err(error) if name == POLITY => return Err(error),
                Err(error) => println!("left out: {error:#}"),
            }
        }
        let started: Vec<&str> = self.contenders.iter().map(|it| it.name.as_str()).collect();
        self.stable.keep(&started);
        Ok(())
    }

    /// The contenders' places in the order of round `round`: whoever was first is last the next time.
    pub(super) fn in_turn(&self, round: usize) -> Vec<usize> {
        rotated(self.contenders.len(), round)
    }

    /// The same without the floor, for what takes more than to pass on whole messages.
    pub(super) fn proxies_in_turn(&self, round: usize) -> Vec<usize> {
        let mut places = self.in_turn(round);
        places.retain(|place| self.contenders[*place].name != FLOOR);
        places
    }
}

/// Starts an origin on the cores of the load.
pub(super) fn start_origin(
    ground: &Ground,
    arguments: &[&str],
) -> anyhow::Result<(Process, SocketAddr)> {
    let mut command = pinned(&ground.cores.load, &ground.programs.instruments);
    command.arg("origin").args(arguments);
    let log = ground.folder().join("origin.log");
    let (process, mut output) = Process::start_piped(command, &log)?;
    let address = first_line(&mut output)?;
    let address = address
        .parse()
        .context("the origin did not say where it listens")?;
    Ok((process, address))
}
