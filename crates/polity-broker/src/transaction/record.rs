//! The records of `__transaction_state`, in Kafka's own format.
//!
//! Source: the schemas `TransactionLogKey` and `TransactionLogValue` of Apache Kafka's documentation.

use std::collections::BTreeMap;

use bytes::Bytes;
use smol_str::SmolStr;

use super::metadata::{Metadata, State};
use crate::group::TopicPartition;
use crate::journal::fields::{FieldError, Form, Reader, Writer};
use crate::journal::{Entry, ProducerIdentity};

const PREVIOUS_PRODUCER_ID: u32 = 0;
const NEXT_PRODUCER_ID: u32 = 1;
const CLIENT_VERSION: u32 = 2;

/// A transactional id and what is known of it; `None` is the tombstone.
pub(super) fn encode(id: &str, metadata: Option<&Metadata>) -> Entry {
    let mut key = Writer::new(Form::Classic);
    key.i16(0);
    key.text(id);
    Entry {
        key: key.finish(),
        value: metadata.map(encode_value),
    }
}

/// Version 1, which Kafka reads since 3.5; it has the tags.
fn encode_value(metadata: &Metadata) -> Bytes {
    let mut value = Writer::new(Form::Compact);
    value.i16(1);
    value.i64(metadata.producer.id);
    value.i16(metadata.producer.epoch);
    value.i32(metadata.timeout_ms);
    value.i8(metadata.state as i8);
    if metadata.state == State::Empty {
        value.null_list();
    } else {
        write_partitions(&mut value, metadata);
    }
    value.i64(metadata.updated_at_ms);
    value.i64(metadata.started_at_ms);
    let id = |id: i64| (id != -1).then(|| Bytes::copy_from_slice(&id.to_be_bytes()));
    let version = metadata.client_version;
    let version = (version != 0).then(|| Bytes::copy_from_slice(&version.to_be_bytes()));
    let tags = [
        (PREVIOUS_PRODUCER_ID, id(metadata.previous_producer_id)),
        (NEXT_PRODUCER_ID, id(metadata.next_producer_id)),
        (CLIENT_VERSION, version),
    ];
    let tags = tags
        .into_iter()
        .filter_map(|(tag, bytes)| Some((tag, bytes?)));
    value.tags(&tags.collect::<Vec<_>>());
    value.finish()
}

fn write_partitions(value: &mut Writer, metadata: &Metadata) {
    let mut topics: BTreeMap<&SmolStr, Vec<i32>> = BTreeMap::new();
    for at in &metadata.partitions {
        topics.entry(&at.topic).or_default().push(at.partition);
    }
    value.list(topics.iter(), |value, (topic, partitions)| {
        value.text(topic);
        value.list(partitions.iter(), |value, partition| value.i32(*partition));
        value.tags(&[]);
    });
}

/// Reads a record.
///
/// # Errors
/// It is damaged, or of a version unknown here.
pub(super) fn decode(entry: Entry) -> Result<(SmolStr, Option<Metadata>), FieldError> {
    let mut key = Reader::new(entry.key, Form::Classic);
    if key.i16()? != 0 {
        return Err(FieldError::Version);
    }
    let id = key.text()?;
    Ok((id, entry.value.map(decode_value).transpose()?))
}

fn decode_value(bytes: Bytes) -> Result<Metadata, FieldError> {
    let mut value = Reader::new(bytes, Form::Classic);
    match value.i16()? {
        0 => {}
        1 => value.set_form(Form::Compact),
        _ => return Err(FieldError::Version),
    }
    let mut metadata = Metadata {
        producer: ProducerIdentity {
            id: value.i64()?,
            epoch: value.i16()?,
        },
        previous_producer_id: -1,
        next_producer_id: -1,
        client_version: 0,
        timeout_ms: value.i32()?,
        state: State::from_number(value.i8()?).ok_or(FieldError::Version)?,
        partitions: Default::default(),
        updated_at_ms: 0,
        started_at_ms: 0,
    };
    let partitions = value.nullable_list(|value| {
        let topic = value.text()?;
        let partitions = value.list(Reader::i32)?;
        value.no_tags()?;
        Ok((topic, partitions))
    })?;
    for (topic, partitions) in partitions.unwrap_or_default() {
        let at = |partition| TopicPartition::new(topic.clone(), partition);
        metadata.partitions.extend(partitions.into_iter().map(at));
    }
    metadata.updated_at_ms = value.i64()?;
    metadata.started_at_ms = value.i64()?;
    value.tags(|tag, field| {
        match tag {
            PREVIOUS_PRODUCER_ID => metadata.previous_producer_id = field.i64()?,
            NEXT_PRODUCER_ID => metadata.next_producer_id = field.i64()?,
            CLIENT_VERSION => metadata.client_version = field.i16()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(metadata)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
