//! `polity up`: runs the system in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;

use crate::cli::Global;
use crate::data::DataFolder;
use crate::plan_file::PlanFile;
use crate::up::{Options, System};

/// Threads of the control runtime: it waits for processes, clients and files, and computes little.
const CONTROL_THREADS: usize = 2;

/// Run the system in the foreground
#[derive(Debug, Args)]
pub struct Up {
    /// The plan's folder or file
    #[arg(default_value = ".")]
    path: PathBuf,

    /// Write a JSON line for each request to this file
    #[arg(long, value_name = "PATH")]
    access_log: Option<PathBuf>,
}

pub fn run(args: &Up, global: &Global) -> Result<ExitCode> {
    let file = PlanFile::locate(&args.path)?;
    let text = file.read()?;
    let loaded = text.load();
    let Some(plan) = loaded.plan.clone() else {
        text.report(&loaded)?;
        return Ok(ExitCode::FAILURE);
    };
    let data = DataFolder::locate(global.data.as_deref(), &file.root)?;
    let lock = data.open_exclusive()?;
    let options = Options {
        plan: Arc::new(plan),
        warnings: loaded.diagnostics.len(),
        text,
        file,
        data,
        lock,
        access_log: args.access_log.clone(),
        json: global.json,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .enable_all()
        .build()
        .context("could not start the control runtime")?;
    runtime.block_on(async {
        let system = System::start(options).await?;
        system.run().await
    })?;
    Ok(ExitCode::SUCCESS)
}
