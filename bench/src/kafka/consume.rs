//! Consumers that read what is there, as fast as it comes.

use std::time::Instant;

use anyhow::ensure;

use super::Target;
use super::client::Client;
use super::fetch::Consumer;
use super::topic;
use crate::load::{Summary, together};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// Each has a connection, and reads all.
    #[arg(long, default_value_t = 1)]
    consumers: usize,
    /// How many records each of them reads.
    #[arg(long)]
    records: u64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let topic = topic::expect(&options.target)?;
    let clients: Vec<Client> = (0..options.consumers)
        .map(|_| Client::connect(options.target.address))
        .collect::<Result<_, _>>()?;
    let began = Instant::now();
    let summary = together(clients, |client| {
        consume(Consumer::new(client, topic), options)
    })?;
    println!("{}", summary.json(began.elapsed()));
    Ok(())
}

fn consume(mut consumer: Consumer, options: &Options) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    while summary.records < options.records {
        let mut records = 0;
        let bytes = consumer.poll(|batch| {
            records += batch.records as u64;
            Ok(())
        })?;
        // A fetch waits for half a second: nothing more will come.
        ensure!(bytes > 0, "only {} records are there", summary.records);
        summary.records += records;
        summary.bytes += bytes;
    }
    Ok(summary)
}
