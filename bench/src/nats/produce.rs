//! Publishers that send more when acknowledgements have come.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::Instant;

use super::Target;
use super::client::Client;
use crate::load::{Connection, Producing, Quota, Summary, noise};

/// A publisher with messages in batches waits for so many batches' worth of acknowledgements.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    producing: Producing,
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

pub(crate) fn run(Options { target, producing }: &Options) -> anyhow::Result<()> {
    let payload = noise(1, producing.record_bytes);
    let together = (producing.batch_bytes / producing.record_bytes.max(1)).max(1);
    let quota = producing.quota(together);
    let mut publishers = Vec::with_capacity(producing.producers);
    for _ in 0..producing.producers {
        let client = Client::connect(target.address)?;
        let message = client.message(&target.topic, &payload);
        publishers.push(Publisher {
            batch: message.repeat(together),
            client,
            together,
            quota: &quota,
            window: together * producing.in_flight.max(1),
            sent: VecDeque::new(),
        });
    }
    producing.run(publishers)
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
