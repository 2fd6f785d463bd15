//! `polity restart`: replaces the instances of one service by new ones of the same version.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::cli::Global;
use crate::client;

/// Replace a service's instances one by one by new ones of the same version
#[derive(Debug, Args)]
pub struct Restart {
    /// The service
    service: String,
}

pub fn run(args: &Restart, global: &Global) -> Result<ExitCode> {
    let path = format!(
        "/api/v1/services/{}/restart",
        client::encoded(&args.service)
    );
    client::carry_out(global, &path, None::<&()>)
}
