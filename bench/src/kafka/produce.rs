//! Producers that send the next batch when an answer has come.

use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

use anyhow::{Context, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};

use super::Target;
use super::batch::{self, Producer};
use super::client::{self, Client};
use super::topic::{self, Topic};
use crate::load::{Quota, Summary, noise, together};

pub(super) const PRODUCE: i16 = 13;
/// Tagged fields, none, of partition, topic and request: what stands behind the batch.
const BEHIND: usize = 3;
const TIMEOUT_MS: i32 = 30_000;
const ALL: i16 = -1;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// Each has a connection, and one partition.
    #[arg(long, default_value_t = 1)]
    producers: usize,
    /// Of a record's value.
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Of a batch, at most; 0 is one record.
    #[arg(long, default_value_t = 65_536)]
    batch_bytes: usize,
    /// Requests of one producer that wait for an answer at the same time; Kafka allows for five.
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    /// How many records, all in all; batches are not broken for it.
    #[arg(long, default_value_t = u64::MAX)]
    records: u64,
    /// How long, if the records last.
    #[arg(long, default_value_t = 3600.0)]
    seconds: f64,
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

/// What all producers share.
struct Work {
    /// In batches.
    quota: Quota,
    in_flight: usize,
    /// In each batch.
    records: u64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let topic = topic::expect(&options.target)?;
    let records = batch::records_within(options.batch_bytes, options.record_bytes);
    let values: Vec<Vec<u8>> = (0..records as u64)
        .map(|seed| noise(seed, options.record_bytes))
        .collect();
    let mut producers = Vec::with_capacity(options.producers);
    for (partition, _) in (0..topic.partitions).cycle().zip(0..options.producers) {
        let mut client = Client::connect(options.target.address)?;
        let identity = topic::producer(&mut client)?;
        producers.push((client, request(topic, partition, identity, &values)?));
    }
    let work = Work {
        quota: Quota::new(options.seconds, options.records.div_ceil(records as u64)),
        in_flight: options.in_flight.max(1),
        records: records as u64,
    };
    let summary = together(producers, |(client, request)| {
        produce(&work, client, request)
    })?;
    let took = work.quota.began.elapsed();
    ensure!(summary.records > 0, "nothing was produced");
    println!("{}", summary.json(took));
    Ok(())
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

fn produce(work: &Work, mut client: Client, mut request: Request) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let mut sent = VecDeque::with_capacity(work.in_flight);
    let mut sequence: i32 = 0;
    loop {
        while sent.len() < work.in_flight && work.quota.take() {
            client.send(request.signed(sequence))?;
            // Kafka's sequence numbers begin again after the largest; no run of this comes near.
            sequence = sequence.wrapping_add(i32::try_from(work.records)?);
            sent.push_back(Instant::now());
        }
        let Some(at) = sent.pop_front() else {
            return Ok(summary);
        };
        check(client.receive()?)?;
        summary.latencies.push(at.elapsed().as_nanos() as u64);
        summary.records += work.records;
        summary.bytes += request.batch_bytes() as u64;
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
