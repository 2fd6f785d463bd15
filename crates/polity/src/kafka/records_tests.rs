//! Fetched bytes, whole and cut, committed and aborted, plain and compressed.

use std::io::Write;

use bytes::{BufMut, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use super::*;

fn record(offset: i64, value: &str) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        // Records are of one batch while their sequences go on.
        sequence: offset as i32,
        timestamp: 1,
        key: None,
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: IndexMap::new(),
    }
}

fn of_transaction(producer_id: i64, offset: i64, value: &str) -> Record {
    Record {
        transactional: true,
        producer_id,
        producer_epoch: 0,
        ..record(offset, value)
    }
}

/// The marker that ends a transaction: its version and its type.
fn marker(producer_id: i64, offset: i64, kind: u8) -> Record {
    Record {
        control: true,
        key: Some(Bytes::copy_from_slice(&[0, 0, 0, kind])),
        ..of_transaction(producer_id, offset, "")
    }
}

fn batch(records: &[Record]) -> Bytes {
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut batch = BytesMut::new();
    RecordBatchEncoder::encode(&mut batch, records, &options).expect("encoded");
    batch.freeze()
}

/// The batch with its records compressed by another's code.
fn compressed(
    records: &[Record],
    compression: Compression,
    compress: impl Fn(&[u8]) -> Vec<u8>,
) -> Bytes {
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    let compress = |plain: &mut BytesMut, batch: &mut BytesMut, _| {
        batch.put_slice(&compress(plain));
        Ok(())
    };
    let mut batch = BytesMut::new();
    RecordBatchEncoder::encode_with_custom_compression(
        &mut batch,
        records,
        &options,
        Some(compress),
    )
    .expect("encoded");
    batch.freeze()
}

fn values(data: Bytes, from: i64, aborted: &[(i64, i64)]) -> (Vec<String>, i64) {
    let aborted = aborted.iter().map(|(producer, first)| {
        AbortedTransaction::default()
            .with_producer_id((*producer).into())
            .with_first_offset(*first)
    });
    let (records, next) = read(data, from, aborted.collect()).expect("readable");
    let value =
        |record: Record| String::from_utf8(record.value.expect("a value").to_vec()).expect("text");
    (records.into_iter().map(value).collect(), next)
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let two = batch(&[record(5, "a"), record(6, "b")]);
    let third = batch(&[record(7, "c")]);
    let all = Bytes::from([&two[..], &third[..]].concat());
    assert_eq!(
        values(all.clone(), 5, &[]),
        (vec!["a".into(), "b".into(), "c".into()], 8)
    );
    // In mid-batch, the whole batch comes.
    assert_eq!(
        values(all.clone(), 6, &[]),
        (vec!["b".into(), "c".into()], 8)
    );
    for cut in two.len()..all.len() {
        let (read, next) = values(all.slice(..cut), 5, &[]);
        assert_eq!((read.len(), next), (2, 7), "{cut}");
    }
    assert_eq!(values(all.slice(..20), 5, &[]), (vec![], 5));
    assert_eq!(values(Bytes::new(), 5, &[]), (vec![], 5));
}

#[test]
fn what_did_not_commit_is_left_out() {
    let batches = [
        batch(&[of_transaction(1, 0, "aborted"), of_transaction(1, 1, "too")]),
        batch(&[of_transaction(2, 2, "committed")]),
        batch(&[record(3, "plain")]),
        batch(&[marker(1, 4, 0)]),
        batch(&[of_transaction(1, 5, "the next of the same producer")]),
        batch(&[marker(2, 6, 1)]),
        batch(&[marker(1, 7, 1)]),
    ];
    let (read, next) = values(Bytes::from(batches.concat()), 0, &[(1, 0)]);
    assert_eq!(
        read,
        ["committed", "plain", "the next of the same producer"]
    );
    assert_eq!(next, 8);
}

#[test]
fn every_compression_is_read() {
    let records = [record(0, "a"), record(1, &"b".repeat(1000))];
    let gzip = |data: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).expect("written");
        encoder.finish().expect("written")
    };
    let snappy = |data: &[u8]| {
        snap::raw::Encoder::new()
            .compress_vec(data)
            .expect("compressed")
    };
    let xerial = |data: &[u8]| {
        let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        for half in data.chunks(data.len().div_ceil(2)) {
            let block = snappy(half);
            framed.put_i32(block.len() as i32);
            framed.extend_from_slice(&block);
        }
        framed
    };
    let lz4 = |data: &[u8]| {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(data).expect("written");
        encoder.finish().expect("written")
    };
    let zstd = |data: &[u8]| {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    };
    let check = |kind, compress: &dyn Fn(&[u8]) -> Vec<u8>| {
        let (read, next) = values(compressed(&records, kind, compress), 0, &[]);
        assert_eq!((read.len(), next), (2, 2), "{kind:?}");
        assert_eq!((read[0].as_str(), read[1].len()), ("a", 1000), "{kind:?}");
    };
    check(Compression::Gzip, &gzip);
    check(Compression::Snappy, &snappy);
    check(Compression::Snappy, &xerial);
    check(Compression::Lz4, &lz4);
    check(Compression::Zstd, &zstd);
}

#[test]
fn a_bomb_is_refused() {
    let bomb = |data: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).expect("written");
        let zeros = [0; 1 << 20];
        (0..65).for_each(|_| encoder.write_all(&zeros).expect("written"));
        encoder.finish().expect("written")
    };
    let data = compressed(&[record(0, "a")], Compression::Gzip, bomb);
    let error = read(data, 0, Vec::new()).expect_err("too large");
    let why = format!("{error:#}");
    assert!(why.contains("too large"), "{why}");
    // A length that lies.
    let data = compressed(&[record(0, "a")], Compression::Snappy, |_| {
        vec![0xff, 0xff, 0xff, 0xff, 0x0f]
    });
    assert!(read(data, 0, Vec::new()).is_err());
}

#[test]
fn a_window_that_is_larger_than_any_batch_is_refused() {
    // A frame of one byte, that says how far back it may refer: 8 MiB, which every decoder takes, and 1 GiB.
    let frame = |exponent: u8| {
        let begin = [0x28, 0xb5, 0x2f, 0xfd, 0, (exponent - 10) << 3];
        let block = [1 | 1 << 3, 0, 0, b'a'];
        [&begin[..], &block].concat()
    };
    let read = |exponent| decompress(&frame(exponent), Compression::Zstd);
    assert_eq!(read(23).expect("it is read"), Bytes::from_static(b"a"));
    let why = format!("{:#}", read(30).expect_err("it is too large"));
    assert!(why.contains("too large"), "{why}");
}
