//! `polity deploy`: builds one service and replaces its instances, no request failed.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::cli::Global;
use crate::client;

/// Build a service and replace its instances one by one, no request failed
#[derive(Debug, Args)]
pub struct Deploy {
    /// The service
    service: String,
}

pub fn run(args: &Deploy, global: &Global) -> Result<ExitCode> {
    let path = format!("/api/v1/services/{}/deploy", client::encoded(&args.service));
    client::carry_out(global, &path, None::<&()>)
}
