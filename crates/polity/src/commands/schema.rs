//! `polity schema`: the JSON Schema of polity.toml, for editors.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// Print the JSON Schema of polity.toml, for editors
#[derive(Debug, Args)]
pub struct Schema {}

pub fn run(_: &Schema) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &polity_plan::schema())?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
