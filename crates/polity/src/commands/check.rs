//! `polity check`: validates a plan and reports its risks.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use polity_plan::{Loaded, Severity};
use serde_json::json;

use crate::cli::Global;
use crate::plan_file::PlanFile;

/// Validate a plan and report its risks
#[derive(Debug, Args)]
pub struct Check {
    /// The plan's folder or file
    #[arg(default_value = ".")]
    path: PathBuf,

    /// Fail where there are warnings as well
    #[arg(long, value_name = "WHAT")]
    deny: Option<Deny>,

    /// Explain a code instead of checking
    #[arg(long, value_name = "CODE", conflicts_with = "deny")]
    explain: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

pub fn run(args: &Check, global: &Global) -> Result<ExitCode> {
    if let Some(code) = &args.explain {
        return explain(code);
    }
    let file = PlanFile::locate(&args.path)?;
    let text = file.read()?;
    let loaded = text.load();
    if global.json {
        let report = json!({ "valid": loaded.plan.is_some(), "diagnostics": text.locate(&loaded) });
        writeln!(io::stdout(), "{report}")?;
    } else {
        text.report(&loaded)?;
        summarise(&loaded)?;
    }
    let failed = loaded.plan.is_none()
        || args.deny == Some(Deny::Warnings) && !loaded.diagnostics.is_empty();
    Ok(ExitCode::from(u8::from(failed)))
}

/// One line on the whole, and what a request to each public route can count on at best.
fn summarise(loaded: &Loaded) -> Result<()> {
    let of = |wanted| {
        loaded
            .diagnostics
            .iter()
            .filter(|d| d.severity() == wanted)
            .count()
    };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let mut out = io::stdout().lock();
    let Some(plan) = &loaded.plan else {
        writeln!(
            out,
            "{}, {}",
            count(errors, "error"),
            count(warnings, "warning")
        )?;
        return Ok(());
    };
    let services = count(plan.services.len(), "service");
    writeln!(
        out,
        "the plan is valid: {services}, {}",
        count(warnings, "warning")
    )?;
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn explain(code: &str) -> Result<ExitCode> {
    let Some(page) = polity_plan::explain(code) else {
        bail!(
            "there is no code `{code}`: codes look like P0101 and stand at the head of each message"
        );
    };
    io::stdout().write_all(page.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
