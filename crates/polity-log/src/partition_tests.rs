//! A partition gives what it was given: in order, whole, and where it said.

use proptest::prelude::*;

use super::*;
use crate::batch::{BatchError, Header, TimestampType};
use crate::error::{AppendError, ReadError};
use crate::testing::{self, batch, block_on, offsets, read_all, split};
use crate::{ProducerEpoch, ProducerId, Settings};

fn append<D: Disk>(partition: &Arc<Partition<D>>, batch: &[u8]) -> Appended {
    partition
        .append(batch, Origin::Client)
        .expect("it is appended")
}

fn small_segments() -> TopicConfig {
    TopicConfig {
        segment_bytes: 1024,
        index_interval_bytes: 200,
        ..TopicConfig::default()
    }
}

#[test]
fn batches_are_numbered_and_read_back_as_they_came() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let partition = testing::partition(&log, TopicConfig::default());
    let given = [batch(3, 10), batch(1, 20), batch(2, 30)];
    let appended: Vec<_> = given.iter().map(|it| append(&partition, it)).collect();
    assert_eq!(
        appended
            .iter()
            .map(|it| it.base_offset.0)
            .collect::<Vec<_>>(),
        [0, 3, 4]
    );
    log.flush();
    let read = read_all(&partition, usize::MAX);
    assert_eq!(offsets(&read), [(0, 2), (3, 3), (4, 5)]);
    for (given, (_, read)) in given.iter().zip(&read) {
        assert_eq!(
            given[16..],
            read[16..],
            "only the offset and the epoch are the log's"
        );
    }
}

#[test]
fn nothing_counts_before_it_is_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let partition = testing::partition(&log, TopicConfig::default());
    append(&partition, &batch(2, 0));
    let of = |at| partition.read(Offset(at), Isolation::ReadUncommitted, 1 << 20);
    assert!(of(0).expect("it is there").slice.is_none());
    assert_eq!(partition.offsets().high_watermark, Offset(0));
    log.flush();
    assert!(of(0).expect("it is there").slice.is_some());
    assert_eq!(partition.offsets().high_watermark, Offset(2));
    assert!(of(2).expect("it is the end").slice.is_none());
    assert!(matches!(of(3), Err(ReadError::OutOfRange { .. })));
}

#[test]
fn who_waits_is_told_when_it_is_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::open(folder.path(), &Settings::default());
    let partition = testing::partition(&log, TopicConfig::default());
    for at in 0..20 {
        let appended = append(&partition, &batch(1, at));
        block_on(partition.committed(appended.last_offset)).expect("the disk is well");
        assert!(partition.offsets().high_watermark > appended.last_offset);
    }
}

#[test]
fn a_read_gives_whole_batches_and_one_at_least() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let partition = testing::partition(&log, TopicConfig::default());
    for at in 0..50 {
        append(&partition, &batch(3, at * 10));
    }
    log.flush();
    let size = batch(3, 0).len();
    for (offset, max, first, count) in [
        (0, 1, 0, 1),
        (4, 1, 3, 1),
        (5, size * 2, 3, 2),
        (6, size * 2 + 1, 6, 2),
        (149, usize::MAX, 147, 1),
        (0, size * 30, 0, 30),
    ] {
        let read = partition.read(Offset(offset), Isolation::ReadUncommitted, max);
        let slice = read.expect("it reads").slice.expect("there is something");
        let batches = split(&slice.bytes().expect("they are there"));
        assert_eq!(batches[0].0.base_offset, Offset(first));
        // The index knows where every few batches begin, and less than asked for may be read.
        assert!(
            (1..=count).contains(&batches.len()),
            "{offset}, {max}: {} batches",
            batches.len()
        );
        assert!(
            batches.len() * 40 >= count,
            "{offset}, {max}: {} batches",
            batches.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_appended_is_read_by_any_reader_and_after_any_start(
        sizes in prop::collection::vec(1usize..6, 1..60),
        reads in prop::collection::vec((0i64..400, 1usize..3000), 1..20),
        reopen_after in 0usize..60,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = testing::log(folder.path());
        let mut partition = testing::partition(&log, small_segments());
        let mut given = Vec::new();
        for (at, records) in sizes.iter().enumerate() {
            let bytes = batch(*records, at as i64);
            let appended = append(&partition, &bytes);
            given.push((appended.base_offset.0, appended.last_offset.0));
            if at == reopen_after {
                drop((log, partition));
                log = testing::log(folder.path());
                partition = testing::partition(&log, small_segments());
            }
        }
        log.flush();
        for max in [1, 300, usize::MAX] {
            prop_assert_eq!(&offsets(&read_all(&partition, max)), &given);
        }
        for (offset, max) in reads {
            let read = partition.read(Offset(offset), Isolation::ReadUncommitted, max);
            match given.iter().position(|(_, last)| *last >= offset) {
                None if offset > partition.offsets().end.0 => prop_assert!(read.is_err()),
                None => prop_assert!(read.expect("it is the end").slice.is_none()),
                Some(first) => {
                    let slice = read.expect("it reads").slice.expect("there is something");
                    let found = offsets(&split(&slice.bytes().expect("they are there")));
                    prop_assert_eq!(&found[..], &given[first..first + found.len()]);
                    prop_assert!(slice.length <= max || found.len() == 1);
                }
            }
        }
    }
}

#[test]
fn hostile_batches_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let config = TopicConfig {
        max_message_bytes: 300,
        ..TopicConfig::default()
    };
    let partition = testing::partition(&log, config);
    let changed = |change: &dyn Fn(&mut Header)| {
        let mut bytes = batch(2, 0);
        let mut header = Header::parse(&bytes).expect("it is one");
        let before = header;
        change(&mut header);
        header.checksum = crate::batch::checksum_with(&header, &before, &bytes);
        bytes[..61].copy_from_slice(&header.encode());
        bytes
    };
    let two = [batch(1, 0), batch(1, 0)].concat();
    let mut flipped = batch(1, 0);
    flipped[70] ^= 1;
    let invalid = [
        changed(&|it| it.attributes.0 |= 1 << 3),
        changed(&|it| it.attributes.0 |= 1 << 4),
        changed(&|it| it.attributes.0 |= 1 << 5),
        changed(&|it| it.attributes.0 |= 1 << 6),
        changed(&|it| it.attributes.0 |= 5),
        changed(&|it| it.producer_id = ProducerId(1)),
        changed(&|it| (it.producer_id, it.producer_epoch) = (ProducerId(1), ProducerEpoch(0))),
    ];
    for bytes in invalid {
        let refused = partition.append(&bytes, Origin::Client);
        assert!(
            matches!(refused, Err(AppendError::Invalid(_))),
            "{refused:?}"
        );
    }
    let malformed = [
        changed(&|it| it.count = 1),
        changed(&|it| (it.count, it.last_offset_delta) = (0, -1)),
        changed(&|it| it.count = i32::MIN),
        changed(&|it| it.last_offset_delta = i32::MAX),
        changed(&|it| it.length -= 1),
        changed(&|it| it.length += 1),
        two,
        flipped,
        Vec::new(),
    ];
    for bytes in malformed {
        let refused = partition.append(&bytes, Origin::Client);
        assert!(matches!(refused, Err(AppendError::Batch(_))), "{refused:?}");
    }
    let mut old = batch(1, 0);
    old[16] = 1;
    let refused = partition.append(&old, Origin::Client);
    assert!(matches!(
        refused,
        Err(AppendError::Batch(BatchError::Magic(1)))
    ));
    let large = partition.append(&batch(20, 0), Origin::Client);
    assert!(matches!(
        large,
        Err(AppendError::TooLarge { most: 300, .. })
    ));
    let tomorrow = partition.append(&batch(1, 24 * 3_600_000), Origin::Client);
    assert!(matches!(tomorrow, Err(AppendError::Timestamp { .. })));
    assert_eq!((partition.offsets().end, partition.size()), (Offset(0), 0));
}

#[test]
fn the_brokers_time_is_put_in_and_checksummed() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let timestamp_type = TimestampType::LogAppendTime;
    let partition = testing::partition(
        &log,
        TopicConfig {
            timestamp_type,
            ..TopicConfig::default()
        },
    );
    let appended = append(&partition, &batch(2, 1 << 40));
    assert_eq!(appended.append_time_ms, Some(0));
    log.flush();
    let (header, bytes) = read_all(&partition, 1).remove(0);
    assert_eq!(Header::parse_checked(&bytes), Ok(header));
    assert_eq!(header.attributes.timestamp_type(), timestamp_type);
    assert_eq!(header.max_timestamp_ms, 0);
}

#[test]
fn offsets_are_found_by_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let partition = testing::partition(&log, small_segments());
    // Each begins before the last one ended, so times are not in order.
    for at in 0..40 {
        append(&partition, &batch(4, at * 3));
    }
    log.flush();
    for time in 0..=121 {
        let expected = read_all(&partition, usize::MAX)
            .iter()
            .find_map(|(header, bytes)| {
                let mut records = crate::batch::Records::of(header, bytes).expect("it is plain");
                records.find_map(|record| {
                    let record = record.expect("it is well");
                    let at = record.timestamp_ms(header);
                    (at >= time).then(|| (record.offset(header), at))
                })
            });
        let found = partition
            .offset_for_time(time, Isolation::ReadUncommitted)
            .expect("it reads");
        assert_eq!(
            found.map(|it| (it.offset, it.timestamp_ms)),
            expected,
            "at {time}"
        );
    }
    let latest = partition
        .offset_of_latest_time(Isolation::ReadUncommitted)
        .expect("it reads");
    assert_eq!(
        latest.map(|it| (it.offset.0, it.timestamp_ms)),
        Some((159, 120))
    );
}

#[test]
fn the_latest_time_is_of_a_record_that_counts_and_is_still_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let partition = testing::partition(&log, small_segments());
    let latest = || {
        let found = partition.offset_of_latest_time(Isolation::ReadUncommitted);
        found
            .expect("it reads")
            .map(|it| (it.offset.0, it.timestamp_ms))
    };
    assert_eq!(latest(), None);
    // The latest come first.
    append(&partition, &batch(1, 9000));
    for at in 0..40 {
        append(&partition, &batch(4, 1000 + at * 10));
        if at % 3 == 0 {
            log.flush();
        }
        assert_eq!(latest(), Some((0, 9000)));
    }
    log.flush();
    partition.delete_records(Some(Offset(1))).expect("they go");
    assert_eq!(latest(), Some((160, 1393)));
    partition
        .delete_records(Some(Offset(150)))
        .expect("they go");
    assert_eq!(latest(), Some((160, 1393)));
    for at in 0..40 {
        append(&partition, &batch(4, 2000 + at * 10));
        assert_eq!(latest(), Some((160, 1393)), "nothing else is durable");
    }
    log.flush();
    assert_eq!(latest(), Some((320, 2393)));
}
