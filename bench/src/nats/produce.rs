//! Publishers that send more when acknowledgements have come.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::Instant;

use anyhow::ensure;

use super::Target;
use super::client::Client;
use crate::load::{Connection, Quota, Summary, noise, serve};

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
    /// How many threads serve the publishers, if not one for each.
    #[arg(long)]
    threads: Option<usize>,
    #[arg(long, default_value_t = u64::MAX)]
    records: u64,
    #[arg(long, default_value_t = 3600.0)]
    seconds: f64,
}

/// A publisher at work.
struct Publisher<'a> {
    client: Client,
    /// What is sent in one go: so many times the same message.
    batch: Vec<u8>,
    together: usize,
    quota: &'a Quota,
    window: usize,
    /// When what is not acknowledged was sent.
    sent: VecDeque<Instant>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let payload = noise(1, options.record_bytes);
    let together = (options.batch_bytes / options.record_bytes.max(1)).max(1);
    let quota = Quota::new(options.seconds, options.records.div_ceil(together as u64));
    let mut publishers = Vec::with_capacity(options.producers);
    for _ in 0..options.producers {
        let client = Client::connect(options.target.address)?;
        let message = client.message(&options.target.topic, &payload);
        publishers.push(Publisher {
            batch: message.repeat(together),
            client,
            together,
            quota: &quota,
            window: together * options.in_flight.max(1),
            sent: VecDeque::new(),
        });
    }
    let began = Instant::now();
    let summary = serve(publishers, options.threads.unwrap_or(options.producers))?;
    let took = began.elapsed();
    ensure!(summary.records > 0, "nothing was published");
    println!("{}", summary.json(took));
    Ok(())
}

impl Connection for Publisher<'_> {
    fn stream(&self) -> &TcpStream {
        self.client.stream()
    }

    fn send(&mut self) -> anyhow::Result<bool> {
        while self.sent.len() + self.together <= self.window && self.quota.take() {
            self.client.send(&self.batch)?;
            let now = Instant::now();
            self.sent.extend(std::iter::repeat_n(now, self.together));
        }
        Ok(!self.sent.is_empty())
    }

    fn receive(&mut self, summary: &mut Summary) -> anyhow::Result<()> {
        while let Some(at) = self.sent.pop_front() {
            self.client.receive()?;
            summary.latencies.push(at.elapsed().as_nanos() as u64);
            summary.records += 1;
            summary.bytes += (self.batch.len() / self.together) as u64;
            if !self.client.has_more() {
                break;
            }
        }
        Ok(())
    }
}
