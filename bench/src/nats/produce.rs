//! Publishers that send more when acknowledgements have come.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::ensure;

use super::Target;
use super::client::Client;
use crate::load::{self, Quota, Summary, noise};

/// A publisher with messages in batches waits for so many batches' worth of acknowledgements.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// Each has a connection.
    #[arg(long, default_value_t = 1)]
    producers: usize,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// What is sent in one go, at most; 0 is one message.
    #[arg(long, default_value_t = 65_536)]
    batch_bytes: usize,
    /// How many of these wait for their acknowledgements at the same time.
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    #[arg(long, default_value_t = u64::MAX)]
    records: u64,
    #[arg(long, default_value_t = 3600.0)]
    seconds: f64,
}

struct Work {
    quota: Quota,
    window: usize,
    together: usize,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let connect = |_| Client::connect(options.target.address);
    let clients: Vec<Client> = (0..options.producers)
        .map(connect)
        .collect::<Result<_, _>>()?;
    let payload = noise(1, options.record_bytes);
    let together = (options.batch_bytes / options.record_bytes.max(1)).max(1);
    let work = Work {
        quota: Quota::new(options.seconds, options.records),
        window: together * options.in_flight.max(1),
        together,
    };
    let summary = load::together(clients, |client| {
        let message = client.message(&options.target.topic, &payload);
        publish(&work, client, &message)
    })?;
    let took = work.quota.began.elapsed();
    ensure!(summary.records > 0, "nothing was published");
    println!("{}", summary.json(took));
    Ok(())
}

fn publish(work: &Work, mut client: Client, message: &[u8]) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let mut sent: VecDeque<Instant> = VecDeque::with_capacity(work.window);
    let mut batch = Vec::with_capacity(work.together * message.len());
    loop {
        while sent.len() + work.together <= work.window {
            batch.clear();
            let mut taken = 0;
            while taken < work.together && work.quota.take() {
                batch.extend_from_slice(message);
                taken += 1;
            }
            if taken == 0 {
                break;
            }
            client.send(&batch)?;
            sent.extend(std::iter::repeat_n(Instant::now(), taken));
        }
        if sent.is_empty() {
            return Ok(summary);
        }
        // All that is there already, lest every one of them has a message follow it by itself.
        loop {
            client.receive()?;
            if let Some(at) = sent.pop_front() {
                summary.latencies.push(at.elapsed().as_nanos() as u64);
            }
            summary.records += 1;
            summary.bytes += message.len() as u64;
            if sent.is_empty() || !client.has_more() {
                break;
            }
        }
    }
}
