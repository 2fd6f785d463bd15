//! The bytes of records: they come back as they were, and are Kafka's.
#![allow(clippy::unwrap_used)]

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

prop_compose! {
    fn metadata()(
        producer in any::<(i64, i16)>(), others in any::<(i64, i64, i16)>(), timeout_ms in any::<i32>(),
        state in 0..7i8, partitions in btree_set(("[a-z_]{1,5}", any::<i32>()), 0..6),
        times in any::<(i64, i64)>(),
    ) -> Metadata {
        let state = State::from_number(state).unwrap();
        let at = |(topic, partition): (String, i32)| TopicPartition::new(topic, partition);
        let mut partitions: std::collections::BTreeSet<_> = partitions.into_iter().map(at).collect();
        if state == State::Empty {
            partitions.clear();
        }
        Metadata {
            producer: ProducerIdentity { id: producer.0, epoch: producer.1 },
            previous_producer_id: others.0, next_producer_id: others.1, client_version: others.2,
            timeout_ms, state, partitions, updated_at_ms: times.0, started_at_ms: times.1,
        }
    }
}

proptest! {
    #[test]
    fn every_record_comes_back(id in ".{0,20}", metadata in metadata(), is_tombstone in any::<bool>()) {
        let metadata = (!is_tombstone).then_some(metadata);
        let read = decode(encode(&id, metadata.as_ref()));
        prop_assert_eq!(read, Ok((id.into(), metadata)));
    }

    #[test]
    fn any_bytes_are_an_error_or_a_record(key in vec(any::<u8>(), 0..30), mut value in vec(any::<u8>(), 0..80)) {
        let _ = decode(Entry { key: key.into(), value: None });
        for version in 0..2 {
            value.splice(0..value.len().min(2), [0, version]);
            let _ = decode_value(value.clone().into());
        }
    }
}

/// Spelt out from the schema by hand: version 0, as Kafka before 3.5 wrote it.
#[test]
fn the_old_version_is_read() {
    let mut bytes = vec![0, 0];
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 9, 0, 3, 0, 0, 0x03, 0xe8, 1]);
    bytes.extend([0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5]);
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 6]);
    let key = Bytes::from_static(b"\0\0\0\x02id");
    let (id, metadata) = decode(Entry {
        key,
        value: Some(bytes.into()),
    })
    .unwrap();
    let metadata = metadata.unwrap();
    assert_eq!(
        (id.as_str(), metadata.producer),
        ("id", ProducerIdentity { id: 9, epoch: 3 })
    );
    assert_eq!(
        (metadata.state, metadata.timeout_ms),
        (State::Ongoing, 1000)
    );
    let partitions: Vec<_> = metadata.partitions.iter().map(|at| at.partition).collect();
    assert_eq!(partitions, [4, 5]);
    assert_eq!((metadata.updated_at_ms, metadata.started_at_ms), (7, 6));
}

/// Spelt out from the schema by hand: version 1, with one of its tags.
#[test]
fn the_version_written_has_kafkas_bytes() {
    let metadata = Metadata {
        producer: ProducerIdentity { id: 9, epoch: 3 },
        previous_producer_id: -1,
        next_producer_id: -1,
        client_version: 2,
        timeout_ms: 1000,
        state: State::PrepareCommit,
        partitions: [TopicPartition::new("t", 4)].into(),
        updated_at_ms: 7,
        started_at_ms: 6,
    };
    let entry = encode("id", Some(&metadata));
    assert_eq!(entry.key, &b"\0\0\0\x02id"[..]);
    let head = b"\0\x01\0\0\0\0\0\0\0\x09\0\x03\0\0\x03\xe8\x02";
    let partitions = b"\x02\x02t\x02\0\0\0\x04\0";
    let tail = b"\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x06\x01\x02\x02\0\x02";
    let expected = [&head[..], &partitions[..], &tail[..]].concat();
    assert_eq!(entry.value.unwrap(), expected);
}
