//! `polity events publish`: records by hand.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use polity_console::view::{NewRecord, Published};

use crate::cli::Global;
use crate::client::{self, Client};

/// Publish a record, or each line of standard input as one
#[derive(Debug, Args)]
pub struct Publish {
    /// The topic
    topic: String,

    /// The record's value; without it, the lines of standard input
    value: Option<String>,

    /// The key, by which its partition is chosen
    #[arg(short, long)]
    key: Option<String>,
}

pub fn run(args: &Publish, global: &Global) -> Result<ExitCode> {
    let client = Client::connect(global)?;
    let path = format!("/api/v1/topics/{}/records", client::encoded(&args.topic));
    let mut out = io::stdout().lock();
    let mut publish = |value: String| -> Result<()> {
        let record = NewRecord {
            key: args.key.clone(),
            value: Some(value),
        };
        let published: Published = client.put_in(&path, &record)?;
        match global.json {
            true => writeln!(out, "{}", serde_json::to_string(&published)?)?,
            false => writeln!(
                out,
                "published to partition {} at offset {}",
                published.partition, published.offset
            )?,
        }
        Ok(())
    };
    match &args.value {
        Some(value) => publish(value.clone())?,
        None => {
            for line in io::stdin().lock().lines() {
                publish(line.context("standard input is not text")?)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
