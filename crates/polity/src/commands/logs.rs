//! `polity logs`: what the services print.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use polity_console::view::{LogLine, LogRecord, Service};
use unicode_width::UnicodeWidthStr;

use crate::cli::Global;
use crate::client::{self, Client};
use crate::style::{Colour, Palette, Style};

/// Show what the services print
#[derive(Debug, Args)]
pub struct Logs {
    /// Only of these services
    service: Vec<String>,

    /// Go on with the lines to come
    #[arg(short, long)]
    follow: bool,

    /// How many past lines at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: usize,
}

pub fn run(args: &Logs, global: &Global) -> Result<ExitCode> {
    let client = Client::connect(global)?;
    let mut path = format!("/api/v1/logs?lines={}&follow={}", args.lines, args.follow);
    for service in &args.service {
        write!(path, "&service={}", client::encoded(service))?;
    }
    let records = client.follow::<LogRecord>(&path)?;
    let mut out = io::stdout().lock();
    if global.json {
        for record in records {
            writeln!(out, "{}", serde_json::to_string(&record?)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let services: Vec<Service> = client.get("/api/v1/services")?;
    let mut printer = Printer::new(Style::of(&out), &services);
    for record in records {
        match record? {
            LogRecord::Line(line) => printer.line(&mut out, &line)?,
            LogRecord::Missed { missed } => {
                let text =
                    format!("({missed} lines left out: they came faster than they were read)");
                writeln!(out, "{}", printer.style.paint(Colour::Dim, &text))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes lines behind the names of the instances they are of, all in one column.
struct Printer {
    style: Style,
    palette: Palette,
    width: usize,
}

impl Printer {
    /// The services tell the colours, the same at each call, and how wide the names will be.
    fn new(style: Style, services: &[Service]) -> Self {
        let mut palette = Palette::default();
        for service in services {
            palette.of(&service.name);
        }
        let instances = services.iter().flat_map(|service| &service.instances);
        let width = instances.map(|instance| instance.id.width()).max();
        Self {
            style,
            palette,
            width: width.unwrap_or(0),
        }
    }

    fn line(&mut self, out: &mut impl Write, line: &LogLine) -> io::Result<()> {
        self.width = self.width.max(line.instance.width());
        let room = self.width - line.instance.width();
        let name = format!("{}{} |", line.instance, " ".repeat(room));
        let colour = self.palette.of(&line.service);
        writeln!(out, "{} {}", self.style.paint(colour, &name), line.line)
    }
}

#[cfg(test)]
mod tests {
    use polity_console::view::OutputStream;

    use super::*;

    fn printed(style: Style) -> String {
        let mut printer = Printer::new(style, &[]);
        let mut out = Vec::new();
        for (service, instance) in [("orders", "orders-1"), ("a", "a-1"), ("orders", "orders-2")] {
            let line = LogLine {
                at_ms: 0,
                service: service.to_owned(),
                instance: instance.to_owned(),
                stream: OutputStream::Stdout,
                line: "listening".to_owned(),
            };
            printer.line(&mut out, &line).expect("written");
        }
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn lines_stand_behind_their_instances_in_one_column() {
        let expected = "orders-1 | listening\na-1      | listening\norders-2 | listening\n";
        assert_eq!(printed(Style::Plain), expected);
    }

    #[test]
    fn instances_of_a_service_share_its_colour() {
        let expected = "\x1b[36morders-1 |\x1b[0m listening\n\
            \x1b[33ma-1      |\x1b[0m listening\n\
            \x1b[36morders-2 |\x1b[0m listening\n";
        assert_eq!(printed(Style::Coloured), expected);
    }
}
