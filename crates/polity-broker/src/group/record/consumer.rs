//! The parts of a KIP-848 group as they are written down, each on its own.

use bytes::Bytes;
use smol_str::SmolStr;
use uuid::Uuid;

use super::{EpochValue, begin_value, open_value};
use crate::group::id::InstanceId;
use crate::journal::fields::{FieldError, Form, Reader, Writer};

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The topic's id, which outlives no deletion.
    pub topic: Uuid,
    /// Indexes of partitions.
    pub partitions: Vec<i32>,
}

/// What a member is and subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberValue {
    /// What it is called over restarts, if it is static.
    pub instance: Option<InstanceId>,
    /// Where it runs, if it says.
    pub rack: Option<SmolStr>,
    /// The client's id.
    pub client_id: SmolStr,
    /// The client's address.
    pub client_host: SmolStr,
    /// Topics by name.
    pub topics: Vec<SmolStr>,
    /// Topics by regular expression.
    pub regex: Option<SmolStr>,
    /// How long it may take to give up partitions.
    pub rebalance_timeout_ms: i32,
    /// The assignor it would like.
    pub assignor: Option<SmolStr>,
}

/// What a member has, and has still to give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentValue {
    /// The epoch that its heartbeats must carry.
    pub epoch: i32,
    /// The epoch before, which a member may repeat that did not get the answer.
    pub previous_epoch: i32,
    /// Kafka's number of its state.
    pub state: i8,
    /// What it may consume.
    pub assigned: Vec<TopicPartitions>,
    /// What it may consume no longer but has not yet said to have given up.
    pub revoking: Vec<TopicPartitions>,
}

/// The topics that a regular expression stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexValue {
    /// Names, sorted.
    pub topics: Vec<SmolStr>,
    /// The version of the cluster's metadata that it was resolved with.
    pub version: i64,
    /// When, in ms since the Unix epoch.
    pub resolved_at_ms: i64,
}

const HASH_TAG: u32 = 0;

pub(super) fn encode_epoch(epoch: &EpochValue) -> Bytes {
    let mut value = begin_value(0, Form::Compact);
    value.i32(epoch.epoch);
    let mut hash = Writer::new(Form::Compact);
    hash.i64(epoch.metadata_hash);
    value.tags(&[(HASH_TAG, hash.finish())]);
    value.finish()
}

pub(super) fn decode_epoch(bytes: Bytes) -> Result<EpochValue, FieldError> {
    let (_, mut value) = open_value(bytes, 0..=0, 0)?;
    let epoch = value.i32()?;
    let mut metadata_hash = 0;
    value.tags(|tag, field| {
        if tag == HASH_TAG {
            metadata_hash = field.i64()?;
        }
        Ok(())
    })?;
    Ok(EpochValue {
        epoch,
        metadata_hash,
    })
}

pub(super) fn encode_target_epoch(epoch: i32) -> Bytes {
    let mut value = begin_value(0, Form::Compact);
    value.i32(epoch);
    value.tags(&[]);
    value.finish()
}

pub(super) fn decode_target_epoch(bytes: Bytes) -> Result<i32, FieldError> {
    let (_, mut value) = open_value(bytes, 0..=0, 0)?;
    let epoch = value.i32()?;
    value.no_tags()?;
    Ok(epoch)
}

pub(super) fn encode_target(parts: &[TopicPartitions]) -> Bytes {
    let mut value = begin_value(0, Form::Compact);
    write_parts(&mut value, parts);
    value.tags(&[]);
    value.finish()
}

pub(super) fn decode_target(bytes: Bytes) -> Result<Vec<TopicPartitions>, FieldError> {
    let (_, mut value) = open_value(bytes, 0..=0, 0)?;
    let parts = read_parts(&mut value)?;
    value.no_tags()?;
    Ok(parts)
}

fn write_parts(value: &mut Writer, parts: &[TopicPartitions]) {
    value.list(parts.iter(), |value, part| {
        value.uuid(part.topic);
        value.list(part.partitions.iter(), |value, index| value.i32(*index));
        value.tags(&[]);
    });
}

fn read_parts(value: &mut Reader) -> Result<Vec<TopicPartitions>, FieldError> {
    value.list(|value| {
        let part = TopicPartitions {
            topic: value.uuid()?,
            partitions: value.list(Reader::i32)?,
        };
        value.no_tags()?;
        Ok(part)
    })
}

impl MemberValue {
    pub(super) fn encode(&self) -> Bytes {
        let mut value = begin_value(0, Form::Compact);
        value.nullable_text(self.instance.as_ref().map(InstanceId::as_str));
        value.nullable_text(self.rack.as_deref());
        value.text(&self.client_id);
        value.text(&self.client_host);
        value.list(self.topics.iter(), |value, topic| value.text(topic));
        value.nullable_text(self.regex.as_deref());
        value.i32(self.rebalance_timeout_ms);
        value.nullable_text(self.assignor.as_deref());
        value.tags(&[]);
        value.finish()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, FieldError> {
        let (_, mut value) = open_value(bytes, 0..=0, 0)?;
        let member = Self {
            instance: value.nullable_text()?.map(InstanceId::from),
            rack: value.nullable_text()?,
            client_id: value.text()?,
            client_host: value.text()?,
            topics: value.list(Reader::text)?,
            regex: value.nullable_text()?,
            rebalance_timeout_ms: value.i32()?,
            assignor: value.nullable_text()?,
        };
        value.no_tags()?;
        Ok(member)
    }
}

impl CurrentValue {
    pub(super) fn encode(&self) -> Bytes {
        let mut value = begin_value(0, Form::Compact);
        value.i32(self.epoch);
        value.i32(self.previous_epoch);
        value.i8(self.state);
        write_parts(&mut value, &self.assigned);
        write_parts(&mut value, &self.revoking);
        value.tags(&[]);
        value.finish()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, FieldError> {
        let (_, mut value) = open_value(bytes, 0..=0, 0)?;
        let current = Self {
            epoch: value.i32()?,
            previous_epoch: value.i32()?,
            state: value.i8()?,
            assigned: read_parts(&mut value)?,
            revoking: read_parts(&mut value)?,
        };
        value.no_tags()?;
        Ok(current)
    }
}

impl RegexValue {
    pub(super) fn encode(&self) -> Bytes {
        let mut value = begin_value(0, Form::Compact);
        value.list(self.topics.iter(), |value, topic| value.text(topic));
        value.i64(self.version);
        value.i64(self.resolved_at_ms);
        value.tags(&[]);
        value.finish()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, FieldError> {
        let (_, mut value) = open_value(bytes, 0..=0, 0)?;
        let regex = Self {
            topics: value.list(Reader::text)?,
            version: value.i64()?,
            resolved_at_ms: value.i64()?,
        };
        value.no_tags()?;
        Ok(regex)
    }
}
