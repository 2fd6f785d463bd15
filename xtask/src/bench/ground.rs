//! What every benchmark stands on: programs, cores, a folder, figures, and an ear for Ctrl-C.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use tempfile::TempDir;

use super::Options;
use super::build::{self, Polity, Programs};
use super::figures::{Figures, Metric, median};
use super::machine::Cores;

/// Whoever writes into the folder ends before this.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) cores: Cores,
    pub(super) figures: Figures,
    pub(super) programs: Programs,
    pub(super) root: PathBuf,
    /// What others took of the contenders' core in each run, as a share of one.
    others: RefCell<Vec<f64>>,
    folder: TempDir,
    interrupted: Arc<AtomicBool>,
}

impl Ground {
    /// Builds, and makes a folder, in `above` where that is given.
    pub(super) fn prepare(options: &Options, above: Option<&Path>) -> anyhow::Result<Self> {
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
        let mut folder = tempfile::Builder::new();
        folder.prefix("polity-bench-");
        Ok(Self {
            programs: build::programs(root, polity)?,
            cores: Cores::of_this_machine()?,
            folder: match above {
                Some(above) => folder.tempdir_in(above)?,
                None => folder.tempdir()?,
            },
            figures: Figures::default(),
            root: root.to_owned(),
            others: RefCell::default(),
            interrupted,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
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

    /// In half of the runs others took less than this share of the contenders' core.
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

/// `count` places in the order of round `round`: whoever was first is last the next time.
pub(super) fn rotated(count: usize, round: usize) -> Vec<usize> {
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
