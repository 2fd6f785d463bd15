//! `polity ps`: what runs, where, and how it does.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use polity_console::view::{Instance, Service, Standing};

use crate::cli::Global;
use crate::client::Client;
use crate::style::{Colour, Style};
use crate::table::{Cell, Column, Table};

/// Show what runs, where, and how it does
#[derive(Debug, Args)]
pub struct Ps {}

pub fn run(_: &Ps, global: &Global) -> Result<ExitCode> {
    let services: Vec<Service> = Client::connect(global)?.get("/api/v1/services")?;
    let mut out = io::stdout().lock();
    if global.json {
        serde_json::to_writer_pretty(&mut out, &services)?;
        writeln!(out)?;
    } else {
        let style = Style::of(&out);
        out.write_all(render(&services, style).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The table of all instances, and below it what is to be said of some.
pub fn render(services: &[Service], style: Style) -> String {
    let mut table = Table::new([
        Column::Left("SERVICE"),
        Column::Left("INSTANCE"),
        Column::Left("STATE"),
        Column::Left("VERSION"),
        Column::Right("RESTARTS"),
        Column::Right("REQ/S"),
        Column::Right("P99"),
        Column::Left("ADDRESS"),
        Column::Right("UPTIME"),
    ]);
    for service in services {
        if service.instances.is_empty() {
            table.row(row_of_service(service));
        }
        for instance in &service.instances {
            table.row(row_of_instance(instance));
        }
    }
    table.render(style) + &remarks(services, style)
}

/// What is to be said of some, a line each: why an instance waits, that a service is scaled.
pub fn remarks(services: &[Service], style: Style) -> String {
    let mut text = String::new();
    for note in services.iter().flat_map(notes) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", style.paint(Colour::Yellow, &note));
    }
    text
}

fn row_of_service(service: &Service) -> [Cell; 9] {
    let nothing = || Cell::from(None::<&str>);
    let state = service.state.to_string();
    [
        service.name.as_str().into(),
        nothing(),
        Cell::from(state).in_colour(service.state),
        nothing(),
        nothing(),
        nothing(),
        nothing(),
        nothing(),
        nothing(),
    ]
}

fn row_of_instance(instance: &Instance) -> [Cell; 9] {
    let uptime = instance.uptime_ms.map(Duration::from_millis).map(age);
    [
        instance.service.as_str().into(),
        instance.id.as_str().into(),
        Cell::from(instance.state.to_string()).in_colour(instance.state),
        instance.version.as_deref().into(),
        instance.restarts.to_string().into(),
        instance
            .requests_per_second
            .map(|rate| format!("{rate:.1}"))
            .into(),
        instance.p99_ms.map(milliseconds).into(),
        instance.address.as_deref().into(),
        uptime.into(),
    ]
}

fn notes(service: &Service) -> Vec<String> {
    let mut notes = Vec::new();
    if let (true, Some(replicas)) = (service.scaled, service.replicas) {
        notes.push(format!(
            "{}: scaled to {replicas}, until `replicas` is next edited in the plan",
            service.name
        ));
    }
    if let Some(note) = &service.note {
        notes.push(format!("{}: {note}", service.name));
    }
    for instance in &service.instances {
        let standing = instance.balance.as_ref().and_then(standing);
        for note in instance.note.iter().chain(&standing) {
            notes.push(format!("{}: {note}", instance.id));
        }
    }
    notes
}

/// In percent: above it, an instance is not much newer than the others.
const FULL_SHARE: u32 = 95;

/// Why an instance that is well gets fewer requests than others.
fn standing(standing: &Standing) -> Option<String> {
    let share = (standing.share * 100.0) as u32;
    (share < FULL_SHARE).then(|| format!("new, and given {share}% of its share of requests"))
}

fn milliseconds(value: f64) -> String {
    match value {
        small if small < 10.0 => format!("{small:.1} ms"),
        large if large >= 10_000.0 => format!("{:.1} s", large / 1000.0),
        usual => format!("{usual:.0} ms"),
    }
}

/// How long, by its one or two largest units.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{seconds:02}s"),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
#[path = "ps_tests.rs"]
mod tests;
