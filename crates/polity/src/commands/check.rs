//! `polity check`: validates a plan and reports its risks.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use polity_plan::{Loaded, Plan, RouteAvailability, SERVICE_AVAILABILITY, Severity};
use serde_json::json;

use crate::cli::Global;
use crate::plan_file::PlanFile;
use crate::style::Style;
use crate::table::{Cell, Column, Table};

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
        let routes = loaded.plan.as_ref().map(routes_json).unwrap_or_default();
        let report = json!({
            "valid": loaded.plan.is_some(),
            "diagnostics": text.locate(&loaded),
            "routes": routes,
        });
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
    let (errors, warnings) = (of(Severity::Error), count(of(Severity::Warning), "warning"));
    let Some(plan) = &loaded.plan else {
        writeln!(io::stderr(), "{}, {warnings}", count(errors, "error"))?;
        return Ok(());
    };
    let mut out = io::stdout().lock();
    writeln!(out, "the plan is valid: {}, {warnings}", parts(plan))?;
    let routes = plan.availability();
    if routes.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        Column::Left("ROUTE"),
        Column::Left("SERVICE"),
        Column::Left("NEEDS"),
        Column::Right("AT BEST"),
    ]);
    for route in &routes {
        table.row(row(route));
    }
    let each = SERVICE_AVAILABILITY * 100.0;
    write!(out, "\n{}", table.render(Style::of(&io::stdout())))?;
    writeln!(
        out,
        "\nat best: how available a route is when each service it needs is up {each:.1}% of the time"
    )?;
    Ok(())
}

/// How many services there are, and sites where there is one.
fn parts(plan: &Plan) -> String {
    let services = plan.services.len();
    match (services, plan.sites.len()) {
        (_, 0) => count(services, "service"),
        (0, sites) => count(sites, "site"),
        (_, sites) => format!("{}, {}", count(services, "service"), count(sites, "site")),
    }
}

fn row(route: &RouteAvailability) -> [Cell; 4] {
    let others = route.needs.iter().filter(|name| **name != route.service);
    let others: Vec<&str> = others.map(|name| name.as_str()).collect();
    [
        Cell::from(route.route.clone()),
        Cell::from(route.service.to_string()),
        Cell::from(others.join(", ")),
        Cell::from(format!("{:.2}%", route.availability * 100.0)),
    ]
}

fn routes_json(plan: &Plan) -> Vec<serde_json::Value> {
    let of = |route: &RouteAvailability| {
        json!({
            "route": route.route,
            "service": route.service,
            "needs": route.needs,
            "availability": route.availability,
        })
    };
    plan.availability().iter().map(of).collect()
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
