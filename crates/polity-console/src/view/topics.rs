//! Topics, their records, and the groups that consume them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// How many offsets lie between its ends: its records, and what compaction or a transaction left.
    pub records: u64,
    /// How long records stay, in milliseconds; none for ever.
    pub retention_ms: Option<u64>,
    /// What becomes of old records: `delete`, `compact` or both.
    pub cleanup: String,
    /// The services that publish it, by the plan.
    pub published_by: Vec<String>,
    /// The services that consume it, by the plan.
    pub consumed_by: Vec<String>,
}

/// One topic in detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicDescription {
    /// What is said of it in a list.
    #[serde(flatten)]
    pub topic: Topic,
    /// Each of its partitions.
    pub parts: Vec<Partition>,
    /// What is set for it otherwise than the broker's defaults, by Kafka's names.
    pub configs: Vec<TopicConfig>,
}

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Partition {
    /// Its number, from 0.
    pub partition: i32,
    /// The broker that leads it; none while there is none.
    pub leader: Option<String>,
    /// The offset of its first record.
    pub first: i64,
    /// The offset after its last record.
    pub end: i64,
}

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicConfig {
    /// Kafka's name for it: `retention.ms`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// One consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// As Kafka says it: `Stable`, `Empty`, `PreparingRebalance`…
    pub state: String,
    /// How many members it has.
    pub members: u32,
    /// How many records it has still to consume, over all partitions it has committed.
    pub lag: u64,
    /// How far it is in each partition.
    pub offsets: Vec<GroupOffset>,
}

/// How far a group is in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset it consumes next.
    pub committed: i64,
    /// The offset after the last record; none when it cannot be told.
    pub end: Option<i64>,
    /// How many records it has still to consume; none when it cannot be told.
    pub lag: Option<u64>,
}

/// One record of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// The partition it is in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its time, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Its key; none if it has none.
    pub key: Option<Content>,
    /// Its value; none for a tombstone.
    pub value: Option<Content>,
    /// Its headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<RecordHeader>,
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Option<Content>,
}

/// Bytes of a record: text where they are UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    /// They are text.
    Text(String),
    /// They are not.
    Binary {
        /// Two hexadecimal digits for each byte.
        hex: String,
    },
}

/// A line of the stream of a topic's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum RecordLine {
    /// A record.
    Record(Record),
    /// Why there are no more.
    Failed {
        /// In one line.
        error: String,
    },
}

/// A record to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecord {
    /// Its key, by which its partition is chosen; without one, any partition.
    #[serde(default)]
    pub key: Option<String>,
    /// Its value; none for a tombstone.
    #[serde(default)]
    pub value: Option<String>,
}

/// Where a record came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Binary {
                hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            },
        }
    }
}
