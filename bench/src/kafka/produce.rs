//! Producers that send the next batch when an answer has come.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Instant, SystemTime};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};

use super::Target;
use super::batch::{self, Producer};
use super::client::{self, Client};
use super::topic::{self, Topic};
use crate::load::{Connection, Producing, Quota, Summary, noise};

pub(super) const PRODUCE: i16 = 13;
/// Tagged fields, none, of partition, topic and request: what stands behind the batch.
const BEHIND: usize = 3;
const TIMEOUT_MS: i32 = 30_000;
const ALL: i16 = -1;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    producing: Producing,
}

/// A request that is sent again and again.
pub(super) struct Request {
    frame: BytesMut,
    batch: usize,
}

impl Request {
    pub(super) fn new(topic: Topic, partition: i32, batch: Vec<u8>) -> anyhow::Result<Self> {
        let length = batch.len();
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch.into()));
        let topic = TopicProduceData::default()
            .with_topic_id(topic.id)
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(None)
            .with_acks(ALL)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![topic]);
        let frame = client::frame(&request, PRODUCE)?;
        Ok(Self {
            batch: frame.len() - BEHIND - length,
            frame,
        })
    }

    fn batch_bytes(&self) -> usize {
        self.frame.len() - BEHIND - self.batch
    }

    /// Its bytes, with the batch's sequence number.
    pub(super) fn signed(&mut self, sequence: i32) -> &[u8] {
        let end = self.frame.len() - BEHIND;
        batch::sign(&mut self.frame[self.batch..end], sequence);
        &self.frame
    }
}

/// Fails unless the batch was taken.
pub(super) fn check(answer: Bytes) -> anyhow::Result<()> {
    let answer = client::decode::<ProduceRequest>(answer, PRODUCE)?;
    let topic = answer.responses.first().context("no topic in the answer")?;
    let partition = topic.partition_responses.first();
    topic::check(partition.context("no partition in the answer")?.error_code)
}

/// A producer at work.
struct Writer<'a> {
    client: Client,
    request: Request,
    /// In batches.
    quota: &'a Quota,
    in_flight: usize,
    /// In each batch.
    records: i32,
    sequence: i32,
    /// When what is not answered was sent.
    sent: VecDeque<Instant>,
}

pub(crate) fn run(Options { target, producing }: &Options) -> anyhow::Result<()> {
    let topic = topic::expect(target)?;
    let records = batch::records_within(producing.batch_bytes, producing.record_bytes);
    let values: Vec<Vec<u8>> = (0..records as u64)
        .map(|seed| noise(seed, producing.record_bytes))
        .collect();
    let mut writers = Vec::with_capacity(producing.producers);
    let quota = producing.quota(records);
    for (partition, _) in (0..topic.partitions).cycle().zip(0..producing.producers) {
        let mut client = Client::connect(target.address)?;
        let identity = topic::producer(&mut client)?;
        writers.push(Writer {
            client,
            request: request(topic, partition, identity, &values)?,
            quota: &quota,
            in_flight: producing.in_flight.max(1),
            records: i32::try_from(records)?,
            sequence: 0,
            sent: VecDeque::new(),
        });
    }
    producing.run(writers)
}

fn request(
    topic: Topic,
    partition: i32,
    identity: Producer,
    values: &[Vec<u8>],
) -> anyhow::Result<Request> {
    let values = values.iter().map(Vec::as_slice);
    Request::new(topic, partition, batch::batch(identity, now_ms(), values))
}

impl Connection for Writer<'_> {
    fn stream(&self) -> &TcpStream {
        self.client.stream()
    }

    fn send(&mut self) -> anyhow::Result<bool> {
        while self.sent.len() < self.in_flight && self.quota.take() {
            self.client.send(self.request.signed(self.sequence))?;
            // Kafka's sequence numbers begin again after the largest; no run of this comes near.
            self.sequence = self.sequence.wrapping_add(self.records);
            self.sent.push_back(Instant::now());
        }
        Ok(!self.sent.is_empty())
    }

    fn receive(&mut self, summary: &mut Summary) -> anyhow::Result<()> {
        while let Some(at) = self.sent.pop_front() {
            check(self.client.receive()?)?;
            summary.latencies.push(at.elapsed().as_nanos() as u64);
            summary.records += u64::from(self.records.unsigned_abs());
            summary.bytes += self.request.batch_bytes() as u64;
            if !self.client.has_more() {
                break;
            }
        }
        Ok(())
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_is_signed_where_it_lies_in_the_request() {
        let identity = Producer { id: 1, epoch: 0 };
        let topic = Topic {
            id: uuid::Uuid::nil(),
            partitions: 1,
        };
        let mut expected = batch::batch(identity, 5, [b"value".as_slice()]);
        let mut request = Request::new(topic, 0, expected.clone()).expect("it encodes");
        batch::sign(&mut expected, 9);
        let frame = request.signed(9);
        assert!(frame.windows(expected.len()).any(|it| it == expected));
    }
}
