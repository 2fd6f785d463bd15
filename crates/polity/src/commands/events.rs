//! `polity events`: what happened to the services; and, by its subcommands, the records of topics.

mod publish;
mod tail;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use polity_console::view::Event;

use crate::cli::Global;
use crate::client::Client;
use crate::style::{Colour, Palette, Style};

/// Show what happened to the services: starts, crashes, builds, deploys
///
/// By a subcommand: the records of a topic.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Events {
    #[command(subcommand)]
    command: Option<Command>,

    /// Go on with the events to come
    #[arg(short, long)]
    follow: bool,

    /// How many past events at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: usize,
}

#[derive(Debug, Subcommand)]
enum Command {
    Tail(tail::Tail),
    Publish(publish::Publish),
}

pub fn run(args: &Events, global: &Global) -> Result<ExitCode> {
    match &args.command {
        Some(Command::Tail(args)) => return tail::run(args, global),
        Some(Command::Publish(args)) => return publish::run(args, global),
        None => {}
    }
    let path = format!("/api/v1/events?lines={}&follow={}", args.lines, args.follow);
    let events = Client::connect(global)?.follow::<Event>(&path)?;
    let mut out = io::stdout().lock();
    let style = Style::of(&out);
    let mut palette = Palette::default();
    for event in events {
        let event = event?;
        match global.json {
            true => writeln!(out, "{}", serde_json::to_string(&event)?)?,
            false => print(&mut out, style, &mut palette, &event)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(
    out: &mut impl Write,
    style: Style,
    palette: &mut Palette,
    event: &Event,
) -> io::Result<()> {
    let time = time_of_day(event.at_ms);
    let about = event
        .instance
        .as_deref()
        .or(event.service.as_deref())
        .unwrap_or("polity");
    let colour = palette.of(event.service.as_deref().unwrap_or("polity"));
    writeln!(
        out,
        "{}  {}  {}",
        style.paint(Colour::Dim, &time),
        style.paint(colour, about),
        event.message
    )?;
    for line in &event.output {
        writeln!(out, "    {}", style.paint(Colour::Dim, line))?;
    }
    Ok(())
}

/// The time of day in UTC: a time zone would need its database, and the JSON has the whole time.
fn time_of_day(at_ms: u64) -> String {
    let seconds = at_ms / 1000;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}Z", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_and_its_output_indented() {
        let event = Event {
            at_ms: 86_400_000 + 3_723_999,
            kind: "crashed".to_owned(),
            service: Some("orders".to_owned()),
            instance: Some("orders-2".to_owned()),
            message: "orders-2 ended with exit code 1".to_owned(),
            output: vec!["no such table".to_owned()],
        };
        let mut out = Vec::new();
        print(&mut out, Style::Plain, &mut Palette::default(), &event).expect("written");
        let expected = "01:02:03Z  orders-2  orders-2 ended with exit code 1\n    no such table\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }
}
