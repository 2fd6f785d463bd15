//! One record published, and acknowledged.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use polity_console::view::{NewRecord, Published};
use polity_core::{Rng, SplitMix64};

use super::cluster::{leaders, topic_name};
use super::{Error, Kafka};

const PRODUCE: i16 = 9;

/// Acknowledged once every replica that is in sync has it.
const ALL: i16 = -1;

/// How long the broker may take to have it everywhere.
const TIMEOUT_MS: i32 = 10_000;

impl Kafka {
    /// Publishes a record and returns once it is acknowledged.
    pub async fn publish(&self, topic: &str, record: NewRecord) -> Result<Published, Error> {
        let mut cluster = self.connect().await?;
        let found = cluster.find_topic(topic).await?;
        let partition = partition(record.key.as_deref(), found.partitions.len());
        let led = leaders(&found);
        let leader = led.iter().find(|(_, led)| led.contains(&partition));
        let (leader, _) = leader.ok_or_else(|| Error::Refused {
            what: format!("a record for {topic}-{partition}"),
            why: "nobody leads that partition now, try again".to_owned(),
        })?;
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch(record)?));
        let data = TopicProduceData::default()
            .with_name(topic_name(topic))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(ALL)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![data]);
        let answer = cluster.ask_at(*leader, PRODUCE, &request).await?;
        let answer = answer
            .responses
            .first()
            .and_then(|topic| topic.partition_responses.first())
            .ok_or_else(|| Error::Refused {
                what: format!("a record for {topic}-{partition}"),
                why: "it says nothing of it".to_owned(),
            })?;
        let what = || format!("a record for {topic}-{partition}");
        Error::check(answer.error_code, answer.error_message.as_deref(), what)?;
        Ok(Published {
            partition,
            offset: answer.base_offset,
        })
    }
}

fn batch(record: NewRecord) -> Result<Bytes, Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        key: record.key.map(Bytes::from),
        value: record.value.map(Bytes::from),
        headers: IndexMap::new(),
    };
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut batch = BytesMut::new();
    RecordBatchEncoder::encode(&mut batch, [&record], &options).map_err(|error| {
        Error::Refused {
            what: "the record".to_owned(),
            why: error.to_string(),
        }
    })?;
    Ok(batch.freeze())
}

/// Where Kafka's own clients put a key, so that records of one key stay in order whoever publishes
/// them; any partition without one.
fn partition(key: Option<&str>, partitions: usize) -> i32 {
    let hash = match key {
        Some(key) => u64::from(murmur2(key.as_bytes()) & 0x7fff_ffff),
        None => SplitMix64::from_system().next_u64(),
    };
    let partitions = u64::try_from(partitions.max(1)).unwrap_or(u64::MAX);
    i32::try_from(hash % partitions).unwrap_or(0)
}

/// MurmurHash2 (Austin Appleby, public domain) with the seed of Kafka's partitioner.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> R;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    for (index, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that Apache Kafka's own test of its hash expects (`UtilsTest.testMurmur2`).
    #[test]
    fn keys_are_hashed_as_kafka_hashes_them() {
        let check = |key: &str, expected: i32| assert_eq!(murmur2(key.as_bytes()) as i32, expected);
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check(
            "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        );
        check("abc", 479_470_107);
    }

    #[test]
    fn a_key_has_one_partition_and_none_has_any() {
        assert_eq!(partition(Some("foobar"), 4), partition(Some("foobar"), 4));
        assert_eq!(partition(Some("abc"), 10), 7);
        assert!((0..100).any(|_| partition(None, 4) != partition(None, 4)));
        assert_eq!(partition(None, 1), 0);
    }
}
