//! Headers are read as they are written, and what lies is refused.

use proptest::prelude::*;

use super::*;
use crate::batch::BatchBuilder;

fn batch() -> Vec<u8> {
    BatchBuilder::new()
        .record(7, Some(b"key"), Some(b"value"))
        .record(9, None, None)
        .build()
}

prop_compose! {
    fn headers()(
        base_offset: i64, length in 61usize..1 << 30, leader_epoch: i32, checksum: u32, attributes: i16,
        last_offset_delta: i32, times: (i64, i64), producer: (i64, i16, i32), count: i32,
    ) -> Header {
        Header {
            base_offset: Offset(base_offset),
            length,
            leader_epoch: LeaderEpoch(leader_epoch),
            checksum,
            attributes: Attributes(attributes),
            last_offset_delta,
            base_timestamp_ms: times.0,
            max_timestamp_ms: times.1,
            producer_id: ProducerId(producer.0),
            producer_epoch: ProducerEpoch(producer.1),
            base_sequence: producer.2,
            count,
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_parsed(header in headers()) {
        prop_assert_eq!(Header::parse(&header.encode()), Ok(header));
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes: Vec<u8>) {
        let _ = Header::parse(&bytes);
        let _ = Header::parse_checked(&bytes);
    }

    #[test]
    fn one_bit_wrong_is_found(bit in CHECKED * 8..batch().len() * 8) {
        let mut bytes = batch();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Header::parse_checked(&bytes).is_err());
    }
}

#[test]
fn a_batch_says_what_was_put_into_it() {
    let bytes = batch();
    let header = Header::parse_checked(&bytes).expect("it is whole");
    assert_eq!((header.count, header.last_offset_delta), (2, 1));
    assert_eq!((header.base_timestamp_ms, header.max_timestamp_ms), (7, 9));
    assert_eq!(header.length, bytes.len());
    assert!(!header.is_idempotent());
}

#[test]
fn a_batch_cut_off_anywhere_is_refused() {
    let bytes = batch();
    for length in 0..bytes.len() {
        assert!(
            Header::parse_checked(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    for length in [i32::MIN, -1, 0, 48] {
        let mut bytes = batch();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Header::parse(&bytes), Err(BatchError::Length(length)));
    }
    let mut bytes = batch();
    bytes[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    let needs = i32::MAX as usize + MIN_PREFIX;
    let has = bytes.len();
    assert_eq!(
        Header::parse_checked(&bytes),
        Err(BatchError::Short { has, needs })
    );
}

#[test]
fn older_formats_are_refused_by_name() {
    for magic in [0, 1, 3, -1] {
        let mut bytes = batch();
        bytes[16] = magic as u8;
        assert_eq!(Header::parse(&bytes[..26]), Err(BatchError::Magic(magic)));
    }
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 1, 3), 1);
    assert_eq!(sequence_after(5, 0), 5);
}
