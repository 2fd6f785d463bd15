//! `polity events tail`: a topic's records as they come.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use polity_console::view::{Content, Record, RecordLine};

use crate::cli::Global;
use crate::client::{self, Client};
use crate::style::{Colour, Style};

/// Show a topic's records as they come
#[derive(Debug, Args)]
pub struct Tail {
    /// The topic
    topic: String,

    /// Where to begin
    #[arg(long, value_name = "PLACE", default_value = "now")]
    from: Place,

    /// End after so many records
    #[arg(short = 'n', long, value_name = "N")]
    records: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Place {
    /// At the first record there is
    Beginning,
    /// After the last one
    Now,
}

pub fn run(args: &Tail, global: &Global) -> Result<ExitCode> {
    let from = match args.from {
        Place::Beginning => "beginning",
        Place::Now => "now",
    };
    let topic = client::encoded(&args.topic);
    let path = format!("/api/v1/topics/{topic}/records?from={from}");
    let records = Client::connect(global)?.follow::<RecordLine>(&path)?;
    let mut out = io::stdout().lock();
    let style = Style::of(&out);
    for record in records.take(args.records.unwrap_or(usize::MAX)) {
        match record? {
            RecordLine::Failed { error } => bail!(error),
            RecordLine::Record(record) if global.json => {
                writeln!(out, "{}", serde_json::to_string(&record)?)?;
            }
            RecordLine::Record(record) => print(&mut out, style, &record)?,
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, style: Style, record: &Record) -> io::Result<()> {
    let place = format!("{}:{}", record.partition, record.offset);
    writeln!(
        out,
        "{}  {}  {}",
        style.paint(Colour::Dim, &place),
        style.paint(Colour::Cyan, &text(record.key.as_ref())),
        text(record.value.as_ref())
    )
}

/// In one line: what a record holds is not to move the cursor.
fn text(content: Option<&Content>) -> String {
    match content {
        None => "-".to_owned(),
        Some(Content::Binary { hex }) => format!("0x{hex}"),
        Some(Content::Text(text)) => text
            .chars()
            .flat_map(|c| match c.is_control() {
                true => c.escape_default().collect::<Vec<_>>(),
                false => vec![c],
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let record = Record {
            partition: 3,
            offset: 14,
            timestamp_ms: 1,
            key: Some(b"\xff\x00"[..].into()),
            value: Some("{\n\"a\": \"ä\x1b[31m\"}".as_bytes().into()),
            headers: Vec::new(),
        };
        let tombstone = Record {
            value: None,
            key: Some(b"k"[..].into()),
            ..record.clone()
        };
        let mut out = Vec::new();
        print(&mut out, Style::Plain, &record).expect("written");
        print(&mut out, Style::Plain, &tombstone).expect("written");
        let expected = "3:14  0xff00  {\\n\"a\": \"ä\\u{1b}[31m\"}\n3:14  k  -\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }
}
