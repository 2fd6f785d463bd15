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
/// Each request is for itself (KIP-227).
const NO_SESSION: i32 = -1;

/// Reads all partitions of a topic from their beginning on.
pub(super) struct Consumer {
    client: Client,
    topic: Topic,
    offsets: Vec<i64>,
}

impl Consumer {
    pub(super) fn new(client: Client, topic: Topic) -> Self {
        let partitions = usize::try_from(topic.partitions).unwrap_or(0);
        Self {
            client,
            topic,
            offsets: vec![0; partitions],
        }
    }

    /// Asks once; hands each batch that came to `see`, and gives how many bytes these had.
    pub(super) fn poll(
        &mut self,
        mut see: impl FnMut(&Batch<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<u64> {
        let answer = self.client.ask(&self.request(), FETCH)?;
        topic::check(answer.error_code)?;
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
        let partitions = (0..).zip(&self.offsets).map(|(partition, offset)| {
            FetchPartition::default()
                .with_partition(partition)
                .with_fetch_offset(*offset)
                .with_partition_max_bytes(PARTITION_BYTES)
        });
        let topic = FetchTopic::default()
            .with_topic_id(self.topic.id)
            .with_partitions(partitions.collect());
        FetchRequest::default()
            .with_max_wait_ms(MAX_WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(MAX_BYTES)
            .with_session_epoch(NO_SESSION)
            .with_topics(vec![topic])
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
