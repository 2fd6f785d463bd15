//! The shapes against the decoder whose place they guard.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Message};
use polity_core::{Rng, SplitMix64};
use proptest::prelude::*;

use super::*;
use crate::wire::shapes;

/// What the decoder made of bytes: how many it left, and the same request encoded again.
struct Decoded {
    left: usize,
    again: Option<Bytes>,
}

fn decode<R: Decodable + Encodable + Message>(bytes: &[u8], version: i16) -> Option<Decoded> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let request = R::decode(&mut rest, version).ok()?;
    let mut again = BytesMut::new();
    let encoded = request.encode(&mut again, version);
    Some(Decoded {
        left: rest.len(),
        again: encoded.ok().map(|()| again.freeze()),
    })
}

macro_rules! requests {
    ($($key:ident $request:ident,)*) => {
        const KEYS: &[(ApiKey, i16, i16)] = &[
            $((ApiKey::$key, <$request as Message>::VERSIONS.min, <$request as Message>::VERSIONS.max),)*
        ];

        fn decode_any(key: ApiKey, bytes: &[u8], version: i16) -> Option<Decoded> {
            match key {
                $(ApiKey::$key => decode::<$request>(bytes, version),)*
                _ => None,
            }
        }
    };
}

requests! {
    ApiVersions ApiVersionsRequest, Metadata MetadataRequest, Produce ProduceRequest,
    Fetch FetchRequest, ListOffsets ListOffsetsRequest,
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest,
    DescribeTopicPartitions DescribeTopicPartitionsRequest,
    DescribeCluster DescribeClusterRequest, DeleteRecords DeleteRecordsRequest,
    FindCoordinator FindCoordinatorRequest, JoinGroup JoinGroupRequest,
    SyncGroup SyncGroupRequest, Heartbeat HeartbeatRequest, LeaveGroup LeaveGroupRequest,
    OffsetCommit OffsetCommitRequest, OffsetFetch OffsetFetchRequest,
    OffsetDelete OffsetDeleteRequest, DescribeGroups DescribeGroupsRequest,
    ListGroups ListGroupsRequest, DeleteGroups DeleteGroupsRequest,
    ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest,
    ConsumerGroupDescribe ConsumerGroupDescribeRequest, CreateTopics CreateTopicsRequest,
    DeleteTopics DeleteTopicsRequest, CreatePartitions CreatePartitionsRequest,
    DescribeLogDirs DescribeLogDirsRequest,
    DescribeConfigs DescribeConfigsRequest, AlterConfigs AlterConfigsRequest,
    IncrementalAlterConfigs IncrementalAlterConfigsRequest,
    InitProducerId InitProducerIdRequest, AddPartitionsToTxn AddPartitionsToTxnRequest,
    AddOffsetsToTxn AddOffsetsToTxnRequest, EndTxn EndTxnRequest,
    TxnOffsetCommit TxnOffsetCommitRequest, DescribeProducers DescribeProducersRequest,
    DescribeTransactions DescribeTransactionsRequest, ListTransactions ListTransactionsRequest,
}

/// Writes a request out of its shape alone, every field of it filled.
struct Writer {
    out: Vec<u8>,
    rng: SplitMix64,
    version: i16,
    is_flexible: bool,
}

impl Writer {
    fn write(shape: &Shape, version: i16, seed: u64) -> Vec<u8> {
        let mut writer = Self {
            out: Vec::new(),
            rng: SplitMix64::new(seed),
            version,
            is_flexible: version >= shape.flexible,
        };
        writer.fields(shape.fields);
        writer.out
    }

    fn fields(&mut self, fields: &[Field]) {
        let version = self.version;
        let (tagged, plain): (Vec<_>, Vec<_>) = fields
            .iter()
            .filter(|field| field.is_in(version))
            .partition(|field| field.tag.is_some());
        for field in plain {
            self.value(&field.kind);
        }
        if !self.is_flexible {
            return;
        }
        self.varint(tagged.len() + 1);
        for field in tagged {
            self.varint(field.tag.unwrap_or_default() as usize);
            let before = std::mem::take(&mut self.out);
            self.value(&field.kind);
            let value = std::mem::replace(&mut self.out, before);
            self.varint(value.len());
            self.out.extend(value);
        }
        // One that nobody knows.
        self.varint(1000);
        self.varint(3);
        self.out.extend(b"new");
    }

    fn value(&mut self, kind: &Kind) {
        match kind {
            Kind::Fixed(size) => {
                for _ in 0..*size {
                    let byte = self.below(2) as u8;
                    self.out.push(byte);
                }
            }
            Kind::String => {
                let length = self.below(40);
                if self.is_flexible {
                    self.varint(length + 1);
                } else {
                    self.out.extend((length as i16).to_be_bytes());
                }
                self.out.extend(std::iter::repeat_n(b'x', length));
            }
            Kind::Bytes => {
                let length = self.below(300);
                self.count(length);
                self.out.extend(std::iter::repeat_n(0xff, length));
            }
            Kind::Array(element) => {
                let count = 1 + self.below(3);
                self.count(count);
                for _ in 0..count {
                    self.value(element);
                }
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::OptionStruct(fields) => {
                let there = self.below(2) == 1;
                self.out.push(if there { 1 } else { 0xff });
                if there {
                    self.fields(fields);
                }
            }
        }
    }

    fn count(&mut self, count: usize) {
        if self.is_flexible {
            self.varint(count + 1);
        } else {
            self.out.extend((count as i32).to_be_bytes());
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn below(&mut self, bound: u64) -> usize {
        (self.rng.next_u64() % bound) as usize
    }
}

fn any_request() -> impl Strategy<Value = (ApiKey, i16, Vec<u8>)> {
    let api = proptest::sample::select(KEYS);
    (api, any::<u64>()).prop_flat_map(|((key, min, max), seed)| {
        (min..=max).prop_map(move |version| {
            let shape = shapes::of(key).expect("every request has a shape");
            (key, version, Writer::write(shape, version, seed))
        })
    })
}

#[test]
fn every_version_of_every_request_has_the_decoders_shape() {
    for &(key, min, max) in KEYS {
        let shape = shapes::of(key).expect("every request has a shape");
        for version in min..=max {
            let bytes = Writer::write(shape, version, 7);
            assert_eq!(shape.check(version, &bytes), Ok(()), "{key:?} {version}");
            let decoded = decode_any(key, &bytes, version);
            let decoded = decoded.unwrap_or_else(|| panic!("{key:?} {version} decodes"));
            assert_eq!(decoded.left, 0, "{key:?} {version}");
            assert_eq!(
                decoded.again.as_deref(),
                Some(&bytes[..]),
                "{key:?} {version}"
            );
        }
    }
}

proptest! {
    #[test]
    fn what_passes_is_never_more_than_was_sent_whatever_was_done_to_it(
        (key, version, mut bytes) in any_request(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let length = bytes.len();
        for (place, byte) in changes.into_iter().filter(|_| length > 0) {
            bytes[place.index(length)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let shape = shapes::of(key).expect("every request has a shape");
        if shape.check(version, &bytes).is_ok()
            && let Some(decoded) = decode_any(key, &bytes, version)
        {
            prop_assert!(decoded.left <= bytes.len());
        }
    }

    #[test]
    fn a_request_cut_short_is_refused_and_one_drawn_out_is_not(
        (key, version, mut bytes) in any_request(),
    ) {
        let shape = shapes::of(key).expect("every request has a shape");
        if bytes.pop().is_some() {
            prop_assert!(shape.check(version, &bytes).is_err());
            prop_assert!(decode_any(key, &bytes, version).is_none());
            bytes.push(0);
        }
        bytes.push(0);
        prop_assert!(shape.check(version, &bytes).is_ok());
    }
}

#[test]
fn a_count_that_lies_is_refused_before_anything_is_reserved() {
    let shape = shapes::of(ApiKey::Metadata).expect("a shape");
    // A billion topics in four bytes, plain and compact.
    let refused = shape.check(0, &1_000_000_000_i32.to_be_bytes());
    assert_eq!(
        refused.map_err(|error| (error.field, error.fault)),
        Err(("topics", Fault::Short))
    );
    let refused = shape.check(9, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
    assert_eq!(refused.map_err(|error| error.fault), Err(Fault::Short));
    // As many as there are bytes, but more than any client needs.
    let mut bytes = (MAX_ELEMENTS as i32 + 1).to_be_bytes().to_vec();
    bytes.extend(vec![0; 2 * MAX_ELEMENTS + 2]);
    let refused = shape.check(0, &bytes);
    assert_eq!(refused.map_err(|error| error.fault), Err(Fault::Elements));
}
