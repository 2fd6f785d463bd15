//! A consumer's end of Fetch: offsets that go on as records come.

use anyhow::ensure;
use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse};

use super::batch::{self, Batch};
use super::client::Client;
use super::topic::{self, Topic};

const FETCH: i16 = 17;
/// As the Java client asks by default.
const MAX_WAIT_MS: i32 = 500;
const MAX_BYTES: i32 = 50 << 20;
const PARTITION_BYTES: i32 = 1 << 20;
/// Asks for a session (KIP-227): requests after it name only what has moved.
const FIRST_EPOCH: i32 = 0;

/// Of a partition that no session knows.
const UNTOLD: i64 = -1;

/// Reads all partitions of a topic from their beginning on.
pub(super) struct Consumer {
    client: Client,
    topic: Topic,
    /// The next of each partition.
    offsets: Vec<i64>,
    /// What the session knows of these.
    told: Vec<i64>,
    session: i32,
    epoch: i32,
}

impl Consumer {
    pub(super) fn new(client: Client, topic: Topic) -> Self {
        let partitions = usize::try_from(topic.partitions).unwrap_or(0);
        Self {
            client,
            topic,
            offsets: vec![0; partitions],
            told: vec![UNTOLD; partitions],
            session: 0,
            epoch: FIRST_EPOCH,
        }
    }

    /// Asks once; hands each batch that came to `see`, and gives how many bytes these had.
    pub(super) fn poll(
        &mut self,
        mut see: impl FnMut(&Batch<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<u64> {
        let request = self.request();
        let answer = self.client.ask(&request, FETCH)?;
        topic::check(answer.error_code)?;
        self.session = answer.session_id;
        // Without a session everything is told again.
        (self.epoch, self.told) = match self.session {
            0 => (FIRST_EPOCH, vec![UNTOLD; self.told.len()]),
            _ => (self.epoch + 1, self.offsets.clone()),
        };
        let mut bytes = 0;
        for (partition, records) in records(answer)? {
            let offset = &mut self.offsets[partition];
            for batch in batch::batches(&records) {
                ensure!(
                    batch.base_offset == *offset,
                    "offset {} came after {offset}",
                    batch.base_offset
                );
                *offset += batch.records;
                bytes += batch.length();
                see(&batch)?;
            }
        }
        Ok(bytes)
    }

    fn request(&self) -> FetchRequest {
        let all = (0..).zip(self.offsets.iter().zip(&self.told));
        let moved = all.filter(|(_, (offset, told))| offset != told);
        let partitions: Vec<_> = moved
            .map(|(partition, (offset, _))| {
                FetchPartition::default()
                    .with_partition(partition)
                    .with_fetch_offset(*offset)
                    .with_partition_max_bytes(PARTITION_BYTES)
            })
            .collect();
        let topic = FetchTopic::default()
            .with_topic_id(self.topic.id)
            .with_partitions(partitions);
        let is_empty = topic.partitions.is_empty();
        FetchRequest::default()
            .with_max_wait_ms(MAX_WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(MAX_BYTES)
            .with_session_id(self.session)
            .with_session_epoch(self.epoch)
            .with_topics(if is_empty { Vec::new() } else { vec![topic] })
    }
}

/// What came of each partition.
fn records(answer: FetchResponse) -> anyhow::Result<Vec<(usize, Bytes)>> {
    let mut found = Vec::new();
    for topic in answer.responses {
        for partition in topic.partitions {
            topic::check(partition.error_code)?;
            let index = usize::try_from(partition.partition_index)?;
            found.extend(partition.records.map(|records| (index, records)));
        }
    }
    Ok(found)
}
