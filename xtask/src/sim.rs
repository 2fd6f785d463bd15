//! `cargo xtask sim balance`: what the balancing algorithms do to clusters that nobody has to rent.

mod figures;
mod herd;
mod jobs;
mod matrix;
mod matrix_plots;
mod netflix;
mod report;
mod svg;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use herd::Herd;
use matrix::Matrix;
use netflix::Comparison;

/// What to simulate.
#[derive(clap::Subcommand)]
pub(crate) enum Sim {
    /// Every balancing algorithm, under all that can befall a cluster.
    Balance(Options),
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the middle of the matrix.
    #[arg(long)]
    quick: bool,
    /// Only these conditions and algorithms; all conditions or all algorithms, if none is named.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// What chance follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the figures go.
    #[arg(long, default_value = "target/sim/balance.json")]
    json: PathBuf,
}

impl Options {
    /// Whether this is what the pages in docs show.
    fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty() && self.seed == 1
    }
}

pub(crate) fn run(sim: &Sim) -> anyhow::Result<ExitCode> {
    let Sim::Balance(options) = sim;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    let began = Instant::now();
    let matrix = Matrix::simulate(options)?;
    // Who asks for some algorithms or conditions asks for the matrix.
    let rest = match options.only.is_empty() {
        true => Some((Comparison::simulate(options)?, Herd::simulate(options)?)),
        false => None,
    };
    report::write(root, options, &matrix, rest.as_ref())?;
    eprintln!("simulated in {:.0} s", began.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}
