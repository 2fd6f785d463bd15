//! `polity scale`: runs this many instances of one service.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use polity_console::view::Scale as Wanted;

use crate::cli::Global;
use crate::client;

/// Run this many instances of a service, until `replicas` is next edited in the plan
#[derive(Debug, Args)]
pub struct Scale {
    /// The service
    service: String,

    /// How many instances
    #[arg(value_name = "N")]
    replicas: u32,
}

pub fn run(args: &Scale, global: &Global) -> Result<ExitCode> {
    let path = format!("/api/v1/services/{}/scale", client::encoded(&args.service));
    let wanted = Wanted {
        replicas: args.replicas,
    };
    client::carry_out(global, &path, Some(&wanted))
}
