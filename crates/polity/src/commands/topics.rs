//! `polity topics`: the topics, and one of them in detail.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use polity_console::view::{Topic, TopicDescription};

use crate::cli::Global;
use crate::client::{self, Client};
use crate::style::{Colour, Style};
use crate::table::{Column, Table};

/// Show the topics, who publishes and who consumes them
#[derive(Debug, Args)]
pub struct Topics {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show one topic's partitions and settings
    Describe {
        /// The topic
        topic: String,
    },
}

pub fn run(args: &Topics, global: &Global) -> Result<ExitCode> {
    let client = Client::connect(global)?;
    let mut out = io::stdout().lock();
    let style = Style::of(&out);
    match &args.command {
        None => {
            let topics: Vec<Topic> = client.get("/api/v1/topics")?;
            print(&mut out, global, &topics, |topics| list(topics, style))?;
        }
        Some(Command::Describe { topic }) => {
            let path = format!("/api/v1/topics/{}", client::encoded(topic));
            let topic: TopicDescription = client.get(&path)?;
            print(&mut out, global, &topic, |topic| describe(topic, style))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// JSON for machines, or a text for people.
pub fn print<T: serde::Serialize>(
    out: &mut impl Write,
    global: &Global,
    shown: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<()> {
    if global.json {
        serde_json::to_writer_pretty(&mut *out, shown)?;
        writeln!(out)?;
    } else {
        out.write_all(text(shown).as_bytes())?;
    }
    Ok(())
}

fn list(topics: &[Topic], style: Style) -> String {
    let mut table = Table::new([
        Column::Left("TOPIC"),
        Column::Right("PARTITIONS"),
        Column::Right("RECORDS"),
        Column::Right("RETENTION"),
        Column::Left("CLEANUP"),
        Column::Left("PUBLISHED BY"),
        Column::Left("CONSUMED BY"),
    ]);
    for topic in topics {
        table.row([
            topic.name.as_str().into(),
            topic.partitions.to_string().into(),
            topic.records.to_string().into(),
            retention(topic.retention_ms).into(),
            topic.cleanup.as_str().into(),
            topic.published_by.join(", ").into(),
            topic.consumed_by.join(", ").into(),
        ]);
    }
    table.render(style)
}

fn describe(described: &TopicDescription, style: Style) -> String {
    let mut text = list(std::slice::from_ref(&described.topic), style);
    let mut table = Table::new([
        Column::Right("PARTITION"),
        Column::Right("FIRST"),
        Column::Right("END"),
        Column::Left("LEADER"),
    ]);
    for part in &described.parts {
        table.row([
            part.partition.to_string().into(),
            part.first.to_string().into(),
            part.end.to_string().into(),
            part.leader.as_deref().into(),
        ]);
    }
    // Writing to a string does not fail.
    let _ = write!(text, "\n{}", table.render(style));
    for config in &described.configs {
        let line = format!("{} = {}", config.name, config.value);
        let _ = write!(text, "\n{}", style.paint(Colour::Dim, &line));
    }
    if !described.configs.is_empty() {
        text.push('\n');
    }
    text
}

/// How long records stay, by the largest unit that says it.
fn retention(ms: Option<u64>) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let Some(ms) = ms else {
        return "forever".to_owned();
    };
    let unit = UNITS
        .iter()
        .find(|(_, size)| ms.is_multiple_of(*size) && ms > 0);
    match unit {
        Some((name, size)) => format!("{}{name}", ms / size),
        None => format!("{:?}", Duration::from_millis(ms)),
    }
}

#[cfg(test)]
mod tests {
    use polity_console::view::{Partition, TopicConfig};

    use super::*;

    fn topic() -> Topic {
        Topic {
            name: "order.placed".to_owned(),
            partitions: 2,
            records: 7,
            retention_ms: Some(7 * 86_400_000),
            cleanup: "delete".to_owned(),
            published_by: vec!["orders".to_owned()],
            consumed_by: vec!["mailer".to_owned(), "tracker".to_owned()],
        }
    }

    #[test]
    fn topics_are_a_line_each() {
        let nobody = Topic {
            name: "a".to_owned(),
            retention_ms: None,
            published_by: Vec::new(),
            consumed_by: Vec::new(),
            ..topic()
        };
        let expected = "\
TOPIC         PARTITIONS  RECORDS  RETENTION  CLEANUP  PUBLISHED BY  CONSUMED BY
a                      2        7    forever  delete   -             -
order.placed           2        7         7d  delete   orders        mailer, tracker
";
        assert_eq!(list(&[nobody, topic()], Style::Plain), expected);
    }

    #[test]
    fn one_topic_is_shown_with_its_partitions_and_settings() {
        let described = TopicDescription {
            topic: topic(),
            parts: vec![Partition {
                partition: 0,
                leader: Some("127.0.0.1:9092".to_owned()),
                first: 3,
                end: 10,
            }],
            configs: vec![TopicConfig {
                name: "retention.ms".to_owned(),
                value: "604800000".to_owned(),
            }],
        };
        let expected = "
PARTITION  FIRST  END  LEADER
        0      3   10  127.0.0.1:9092

retention.ms = 604800000
";
        assert!(describe(&described, Style::Plain).ends_with(expected));
    }

    #[test]
    fn retentions_read_as_in_a_plan() {
        let check = |ms, expected: &str| assert_eq!(retention(ms), expected);
        check(Some(604_800_000), "7d");
        check(Some(5_400_000), "90m");
        check(Some(1500), "1.5s");
        check(Some(0), "0ns");
        check(None, "forever");
    }
}
