//! One benchmark from start to end: what runs meanwhile, and in which order the contenders have their turn.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use tempfile::TempDir;

use super::build::{self, Polity, Programs};
use super::contenders::{Contender, FLOOR, POLITY, Stable};
use super::figures::{Figures, Metric, median};
use super::machine::Cores;
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
    pub(super) cores: Cores,
    pub(super) contenders: Vec<Contender>,
    pub(super) figures: Figures,
    pub(super) stable: Stable,
    pub(super) programs: Programs,
    pub(super) root: PathBuf,
    /// Where the unlimited origin listens.
    pub(super) origin: SocketAddr,
    /// What others took of the proxy's core in each run, as a share of one.
    others: RefCell<Vec<f64>>,
    _origin: Process,
    folder: TempDir,
    interrupted: Arc<AtomicBool>,
}

impl Session {
    /// Builds, and starts the origin.
    pub(super) fn begin(options: &Options) -> anyhow::Result<Self> {
        // What runs here gets the terminal's signal as well, and ends; what follows then fails or is not
        // begun, and everything is cleared away as after any other error.
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 130, interrupted.clone())?;
            signal_hook::flag::register(signal, interrupted.clone())?;
        }
        raise_descriptor_limit()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent folder")?;
        let polity = match options.dist {
            true => Polity::Dist,
            false => Polity::or_release(options.polity.as_deref()),
        };
        let programs = build::programs(root, polity)?;
        let cores = Cores::of_this_machine()?;
        let folder = tempfile::Builder::new().prefix("polity-bench-").tempdir()?;
        let peers = options.peers.as_deref();
        let stable = Stable::open(&programs, peers, &cores.proxy, folder.path())?;
        let (process, origin) = start_origin(&programs, &cores, folder.path(), &[])?;
        let mut pace = if options.quick { QUICK } else { USUAL };
        pace.rounds = options.rounds.unwrap_or(pace.rounds).max(1);
        Ok(Self {
            pace,
            cores,
            contenders: Vec::new(),
            figures: Figures::default(),
            stable,
            programs,
            root: root.to_owned(),
            origin,
            others: RefCell::default(),
            _origin: process,
            folder,
            interrupted,
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
                self.check_interrupt()?;
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

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
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

    /// Says at once what failed, and makes figures invalid by it.
    pub(super) fn defect(
        &mut self,
        workload: &'static str,
        metrics: &[Metric],
        contender: &str,
        defect: &str,
    ) {
        println!("DEFECT {workload} {contender}: {defect}");
        for metric in metrics {
            self.figures.defect(workload, *metric, contender, defect);
        }
    }

    pub(super) fn note_others(&self, share: f64) {
        self.others.borrow_mut().push(share);
    }

    /// In half of the runs others took less than this share of the proxy's core.
    pub(super) fn others(&self) -> Option<f64> {
        median(&self.others.borrow())
    }

    /// Fails once Ctrl-C has been pressed.
    pub(super) fn check_interrupt(&self) -> anyhow::Result<()> {
        ensure!(!self.interrupted.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }
}

/// For the many connections of some workloads; whatever is started here inherits it.
fn raise_descriptor_limit() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("could not raise the limit of open files")
}

/// Starts an origin on the cores of the load.
pub(super) fn start_origin(
    programs: &Programs,
    cores: &Cores,
    folder: &Path,
    arguments: &[&str],
) -> anyhow::Result<(Process, SocketAddr)> {
    let mut command = pinned(&cores.load, &programs.instruments);
    command.arg("origin").args(arguments);
    let (process, mut output) = Process::start_piped(command, &folder.join("origin.log"))?;
    let address = first_line(&mut output)?;
    let address = address
        .parse()
        .context("the origin did not say where it listens")?;
    Ok((process, address))
}

fn rotated(count: usize, round: usize) -> Vec<usize> {
    (0..count).map(|place| (place + round) % count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_another_begins() {
        assert_eq!(rotated(3, 0), [0, 1, 2]);
        assert_eq!(rotated(3, 1), [1, 2, 0]);
        assert_eq!(rotated(3, 5), [2, 0, 1]);
    }
}
