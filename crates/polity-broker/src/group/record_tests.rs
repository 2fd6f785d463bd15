//! The bytes of records: they come back as they were, and are Kafka's.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::group::id::InstanceId;

fn text() -> impl Strategy<Value = SmolStr> {
    "[a-zé.-]{0,20}".prop_map(SmolStr::from)
}

fn data() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn parts() -> impl Strategy<Value = Vec<TopicPartitions>> {
    let part =
        (any::<u128>(), vec(any::<i32>(), 0..5)).prop_map(|(topic, partitions)| TopicPartitions {
            topic: Uuid::from_u128(topic),
            partitions,
        });
    vec(part, 0..4)
}

prop_compose! {
    fn offset()(
        offset in any::<i64>(), epoch in any::<i32>(), metadata in text(),
        committed_at_ms in any::<i64>(), expires in option::of(0..i64::MAX),
    ) -> OffsetValue {
        // The version with an expiry has no leader epoch.
        let leader_epoch = if expires.is_some() { -1 } else { epoch };
        OffsetValue { offset, leader_epoch, metadata, committed_at_ms, expires_at_ms: expires }
    }
}

prop_compose! {
    fn classic_member()(
        id in text(), instance in option::of(text()), client_id in text(), client_host in text(),
        timeouts in any::<(i32, i32)>(), subscription in data(), assignment in data(),
    ) -> ClassicMemberValue {
        ClassicMemberValue {
            id: id.into(), instance: instance.map(InstanceId::from), client_id, client_host,
            rebalance_timeout_ms: timeouts.0, session_timeout_ms: timeouts.1, subscription, assignment,
        }
    }
}

prop_compose! {
    fn classic()(
        protocol_type in text(), generation in any::<i32>(), protocol in option::of(text()),
        leader in option::of(text()), state_since_ms in any::<i64>(), members in vec(classic_member(), 0..4),
    ) -> ClassicValue {
        ClassicValue { protocol_type, generation, protocol, leader: leader.map(MemberId::from), state_since_ms, members }
    }
}

prop_compose! {
    fn member()(
        instance in option::of(text()), rack in option::of(text()), client in (text(), text()),
        topics in vec(text(), 0..4), regex in option::of(text()), rebalance_timeout_ms in any::<i32>(),
        assignor in option::of(text()),
    ) -> MemberValue {
        MemberValue {
            instance: instance.map(InstanceId::from), rack, client_id: client.0, client_host: client.1,
            topics, regex, rebalance_timeout_ms, assignor,
        }
    }
}

fn record() -> impl Strategy<Value = Record> {
    let current =
        (any::<(i32, i32, i8)>(), parts(), parts()).prop_map(|(n, assigned, revoking)| {
            CurrentValue {
                epoch: n.0,
                previous_epoch: n.1,
                state: n.2,
                assigned,
                revoking,
            }
        });
    let regex = (vec(text(), 0..4), any::<(i64, i64)>()).prop_map(|(topics, n)| RegexValue {
        topics,
        version: n.0,
        resolved_at_ms: n.1,
    });
    let epoch = any::<(i32, i64)>().prop_map(|(epoch, metadata_hash)| EpochValue {
        epoch,
        metadata_hash,
    });
    let ids = || {
        (
            text().prop_map(GroupId::from),
            text().prop_map(MemberId::from),
        )
    };
    let at =
        (text(), any::<i32>()).prop_map(|(topic, partition)| TopicPartition::new(topic, partition));
    prop_oneof![
        (ids(), at, option::of(offset())).prop_map(|((g, _), at, v)| Record::Offset(g, at, v)),
        (ids(), option::of(classic())).prop_map(|((g, _), v)| Record::Classic(g, v)),
        (ids(), option::of(epoch)).prop_map(|((g, _), v)| Record::Epoch(g, v)),
        (ids(), option::of(member())).prop_map(|((g, m), v)| Record::Member(g, m, v)),
        (ids(), option::of(any::<i32>())).prop_map(|((g, _), v)| Record::TargetEpoch(g, v)),
        (ids(), option::of(parts())).prop_map(|((g, m), v)| Record::TargetMember(g, m, v)),
        (ids(), option::of(current)).prop_map(|((g, m), v)| Record::Current(g, m, v)),
        (ids(), text(), option::of(regex)).prop_map(|((g, _), r, v)| Record::Regex(g, r, v)),
    ]
}

proptest! {
    #[test]
    fn every_record_comes_back(record in record()) {
        prop_assert_eq!(Record::decode(record.encode()), Ok(Some(record)));
    }

    #[test]
    fn a_damaged_record_is_an_error_or_another_record(record in record(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let entry = record.encode();
        let mut value = entry.value.unwrap_or_default().to_vec();
        if !value.is_empty() {
            let at = at.index(value.len());
            value[at] = byte;
            let _ = Record::decode(Entry { key: entry.key.clone(), value: Some(value.clone().into()) });
            value.truncate(at);
        }
        let _ = Record::decode(Entry { key: entry.key, value: Some(value.into()) });
    }
}

/// Spelt out from the schema by hand.
#[test]
fn a_commit_has_kafkas_bytes() {
    let value = OffsetValue {
        offset: 42,
        leader_epoch: 7,
        metadata: "m".into(),
        committed_at_ms: 1000,
        expires_at_ms: None,
    };
    let entry = Record::Offset("g".into(), TopicPartition::new("top", 3), Some(value)).encode();
    assert_eq!(entry.key, &b"\0\x01\0\x01g\0\x03top\0\0\0\x03"[..]);
    let expected = b"\0\x03\0\0\0\0\0\0\0\x2a\0\0\0\x07\0\x01m\0\0\0\0\0\0\x03\xe8";
    assert_eq!(entry.value.unwrap(), &expected[..]);
}

#[test]
fn a_target_has_kafkas_bytes() {
    let part = TopicPartitions {
        topic: Uuid::from_u128(1),
        partitions: vec![2, 3],
    };
    let entry = Record::TargetMember("g".into(), "m".into(), Some(vec![part])).encode();
    assert_eq!(entry.key, &b"\0\x07\0\x01g\0\x01m"[..]);
    let expected = b"\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x03\0\0\0\x02\0\0\0\x03\0\0";
    assert_eq!(entry.value.unwrap(), &expected[..]);
}

/// As Kafka 0.10 wrote them, and as a Kafka that writes flexible versions does.
#[test]
fn other_versions_of_a_commit_are_read() {
    let decode = |value: &'static [u8]| {
        let key = Bytes::from_static(b"\0\0\0\x01g\0\x01t\0\0\0\0");
        Record::decode(Entry {
            key,
            value: Some(Bytes::from_static(value)),
        })
        .unwrap()
    };
    let expected = |leader_epoch, expires_at_ms| {
        let value = OffsetValue {
            offset: 1,
            leader_epoch,
            metadata: "m".into(),
            committed_at_ms: 2,
            expires_at_ms,
        };
        Some(Record::Offset(
            "g".into(),
            TopicPartition::new("t", 0),
            Some(value),
        ))
    };
    let v0 = b"\0\0\0\0\0\0\0\0\0\x01\0\x01m\0\0\0\0\0\0\0\x02";
    assert_eq!(decode(v0), expected(-1, None));
    let v1 = b"\0\x01\0\0\0\0\0\0\0\x01\0\x01m\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x09";
    assert_eq!(decode(v1), expected(-1, Some(9)));
    // With a tagged field from the future.
    let v4 = b"\0\x04\0\0\0\0\0\0\0\x01\0\0\0\x05\x02m\0\0\0\0\0\0\0\x02\x01\x07\x01\xff";
    assert_eq!(decode(v4), expected(5, None));
}

#[test]
fn records_of_other_kinds_of_groups_are_passed_over() {
    let entry = Entry {
        key: Bytes::from_static(b"\0\x11whatever"),
        value: None,
    };
    assert_eq!(Record::decode(entry), Ok(None));
}

/// Spelt out from the schema by hand.
#[test]
fn a_generation_has_kafkas_bytes() {
    let member = ClassicMemberValue {
        id: "m".into(),
        instance: None,
        client_id: "c".into(),
        client_host: "h".into(),
        rebalance_timeout_ms: 2,
        session_timeout_ms: 3,
        subscription: Bytes::from_static(b"s"),
        assignment: Bytes::new(),
    };
    let value = ClassicValue {
        protocol_type: "consumer".into(),
        generation: 1,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        state_since_ms: 5,
        members: vec![member],
    };
    let entry = Record::Classic("g".into(), Some(value)).encode();
    assert_eq!(entry.key, &b"\0\x02\0\x01g"[..]);
    let head = b"\0\x03\0\x08consumer\0\0\0\x01\0\x05range\0\x01m\0\0\0\0\0\0\0\x05\0\0\0\x01";
    let member = b"\0\x01m\xff\xff\0\x01c\0\x01h\0\0\0\x02\0\0\0\x03\0\0\0\x01s\0\0\0\0";
    assert_eq!(entry.value.unwrap(), [&head[..], &member[..]].concat());
}

/// Spelt out from the schema by hand.
#[test]
fn what_a_member_has_has_kafkas_bytes() {
    let part = |partition| TopicPartitions {
        topic: Uuid::from_u128(1),
        partitions: vec![partition],
    };
    let value = CurrentValue {
        epoch: 3,
        previous_epoch: 2,
        state: 1,
        assigned: vec![part(4)],
        revoking: vec![],
    };
    let entry = Record::Current("g".into(), "m".into(), Some(value)).encode();
    assert_eq!(entry.key, &b"\0\x08\0\x01g\0\x01m"[..]);
    let head = b"\0\0\0\0\0\x03\0\0\0\x02\x01\x02";
    let assigned = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02\0\0\0\x04\0";
    let expected = [&head[..], &assigned[..], &b"\x01\0"[..]].concat();
    assert_eq!(entry.value.unwrap(), expected);
}
