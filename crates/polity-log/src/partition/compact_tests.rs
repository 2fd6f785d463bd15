//! Of each key the last record stays, where it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use polity_core::ManualClock;
use proptest::prelude::*;

use super::*;
use crate::batch::{BatchBuilder, ControlRecord, Outcome, Records};
use crate::config::Cleanup;
use crate::disk::simulated::SimulatedDisk;
use crate::testing::{self, read_all};
use crate::{
    AppendError, Isolation, Log, Origin, ProducerEpoch, ProducerId, RealDisk, Settings, TopicId,
};

#[path = "compact_dependent_tests.rs"]
mod dependent;

fn config() -> TopicConfig {
    TopicConfig {
        cleanup: Cleanup {
            delete: false,
            compact: true,
        },
        segment_bytes: 1024,
        index_interval_bytes: 200,
        min_cleanable_dirty_ratio: 0.0,
        ..TopicConfig::default()
    }
}

fn open(folder: &Path, clock: &Arc<ManualClock>) -> Log {
    let settings = Settings {
        flush_threads: 0,
        ..Settings::default()
    };
    Log::open(RealDisk, folder, &settings, clock.clone())
        .expect("it opens")
        .0
}

type Records_ = Vec<(i64, Vec<u8>, Option<Vec<u8>>)>;

/// Offsets, keys and values.
fn records<D: Disk>(partition: &Partition<D>) -> Records_ {
    let mut all = Vec::new();
    for (header, batch) in read_all(partition, 500) {
        if header.attributes.is_control() {
            continue;
        }
        for record in Records::of(&header, &batch).expect("it is plain") {
            let record = record.expect("it is well");
            let (key, value) = (record.key.expect("it has one"), record.value);
            all.push((
                record.offset(&header).0,
                key.to_vec(),
                value.map(<[u8]>::to_vec),
            ));
        }
    }
    all
}

/// What a client finds first that reads from an offset, a batch at a time.
fn first_from(partition: &Partition<RealDisk>, at: i64) -> Option<i64> {
    let mut next = Offset(at);
    loop {
        let read = partition
            .read(next, Isolation::ReadUncommitted, 1)
            .expect("it reads");
        let bytes = read.slice?.bytes().expect("they are there");
        let (header, batch) = testing::split(&bytes).remove(0);
        let mut records = Records::of(&header, &batch).expect("it is plain");
        let found = records.find_map(|record| {
            let offset = record.expect("it is well").offset(&header).0;
            (offset >= at).then_some(offset)
        });
        if found.is_some() {
            return found;
        }
        next = header.last_offset().next();
    }
}

/// What is before the last segment, and what is in it.
fn tail(partition: &Partition<RealDisk>) -> i64 {
    partition.segments().last().map_or(0, |last| last.base.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]
    #[test]
    fn the_last_of_each_key_stays(
        given in prop::collection::vec(prop::collection::vec((0u8..12, prop::option::of(0usize..60)), 1..5), 10..80),
        again in 0usize..80,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::new());
        let mut log = open(folder.path(), &clock);
        let mut partition = testing::partition(&log, config());
        let mut all = Vec::new();
        for (number, batch) in given.iter().enumerate() {
            let add = |builder: BatchBuilder, (key, value): &(u8, Option<usize>)| {
                let value = value.map(|length| vec![number as u8; length]);
                builder.record(0, Some(&[*key]), value.as_deref())
            };
            let built = batch.iter().fold(BatchBuilder::new(), add).build();
            partition.append(&built, Origin::Client).expect("it is appended");
            for (key, value) in batch {
                let value = value.map(|length| vec![number as u8; length]);
                all.push((all.len() as i64, vec![*key], value));
            }
            if number == again {
                log.flush();
                log.housekeep();
            }
        }
        log.flush();
        log.housekeep();
        let check = |partition: &Partition<RealDisk>| {
            let left = records(partition);
            let last: BTreeMap<_, _> = all.iter().map(|(at, key, _)| (key.clone(), *at)).collect();
            for record in &left {
                prop_assert!(all.contains(record), "{record:?} was never there");
            }
            for record @ (at, key, _) in &all {
                let is_last = last[key] == *at;
                prop_assert!(!is_last || left.contains(record), "{record:?} is gone");
            }
            let full = tail(partition);
            let last: BTreeMap<_, _> =
                all.iter().filter(|it| it.0 < full).map(|(at, key, _)| (key.clone(), *at)).collect();
            for (at, key, _) in left.iter().filter(|it| it.0 < full) {
                prop_assert_eq!(last[key], *at, "an outdated one is left");
            }
            prop_assert!(left.is_sorted_by(|one, next| one.0 < next.0));
            Ok(())
        };
        check(&partition)?;
        let before = records(&partition);
        for at in 0..all.len() as i64 {
            let next = before.iter().find(|it| it.0 >= at).map(|it| it.0);
            prop_assert_eq!(first_from(&partition, at), next, "at {}", at);
        }
        // And after starts, with and without a checkpoint.
        for with_checkpoint in [true, false] {
            drop(partition);
            drop(log);
            if !with_checkpoint {
                for entry in std::fs::read_dir(folder.path().join("orders-0")).expect("it is there") {
                    let path = entry.expect("it is read").path();
                    if path.extension().is_some_and(|it| it == "checkpoint") {
                        std::fs::remove_file(path).expect("it is there");
                    }
                }
            }
            log = open(folder.path(), &clock);
            partition = testing::partition(&log, config());
            prop_assert_eq!(&records(&partition), &before);
            prop_assert_eq!(partition.offsets().end.0, all.len() as i64);
        }
    }
}

fn fill(partition: &Arc<Partition<RealDisk>>, key: u8, count: usize) {
    for _ in 0..count {
        let batch = BatchBuilder::new()
            .record(0, Some(&[key]), Some(&[0; 50]))
            .build();
        partition
            .append(&batch, Origin::Client)
            .expect("it is appended");
    }
}

#[test]
fn tombstones_go_when_they_have_been_seen_for_long_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new());
    let log = open(folder.path(), &clock);
    let partition = testing::partition(&log, config());
    let tombstone = BatchBuilder::new().record(0, Some(b"gone"), None).build();
    partition
        .append(&tombstone, Origin::Client)
        .expect("it is appended");
    let compact = || {
        fill(&partition, 1, 20);
        log.flush();
        log.housekeep();
        records(&partition).iter().any(|(_, key, _)| key == b"gone")
    };
    assert!(compact());
    clock.advance(Duration::from_secs(3600));
    assert!(compact());
    clock.advance(Duration::from_secs(24 * 3600));
    assert!(!compact());
}

#[test]
fn segments_that_have_become_small_become_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new());
    let log = open(folder.path(), &clock);
    let partition = testing::partition(&log, config());
    for key in 0..100 {
        fill(&partition, key, 2);
        fill(&partition, 200, 5);
    }
    log.flush();
    let before = partition.segments().len();
    log.housekeep();
    let left = records(&partition);
    fill(&partition, 200, 40);
    log.flush();
    log.housekeep();
    // Each as full as it may be, but for what has come since.
    let (segments, size) = (partition.segments().len(), partition.size());
    assert!(before > 80, "{before}");
    let full = size / u64::from(config().segment_bytes);
    assert!(segments as u64 <= full + 10, "{segments} with {size} bytes");
    for (at, _, _) in left.iter().filter(|it| it.1 != [200]) {
        assert_eq!(first_from(&partition, *at), Some(*at));
    }
    drop((partition, log));
    let log = open(folder.path(), &clock);
    let partition = testing::partition(&log, config());
    assert_eq!(partition.segments().len(), segments);
}

#[test]
fn who_reads_what_was_replaced_leaves_the_indexes_of_its_successor_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        flush_threads: 0,
        // So that indexes are opened anew, by their names.
        max_open_files: 1,
        ..Settings::default()
    };
    let log = testing::open(folder.path(), &settings);
    let config = TopicConfig {
        segment_bytes: 20_000,
        index_interval_bytes: 0,
        ..config()
    };
    let partition = testing::partition(&log, config);
    for key in 0..100 {
        fill(&partition, key, 2);
        fill(&partition, 200, 3);
    }
    log.flush();
    let old = partition.segments();
    log.housekeep();
    let indexes = || {
        let segments = partition.segments();
        let paths = segments.iter().map(|it| it.path().with_extension("index"));
        let read = |path| std::fs::read(path).expect("it is there");
        paths.map(read).collect::<Vec<_>>()
    };
    let before = indexes();
    for at in 0..400 {
        let found = old[0].find(Offset(at), old[0].size()).expect("it reads");
        let next = old.get(1).map_or(i64::MAX, |next| next.base.0);
        let expected = (at < next).then_some(at);
        assert_eq!(found.map(|it| it.header.base_offset.0), expected);
    }
    assert!(indexes() == before);
}

#[test]
fn what_compaction_has_emptied_does_not_hold_up_retention() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new());
    let log = open(folder.path(), &clock);
    let mut config = config();
    (config.cleanup.delete, config.retention_ms) = (true, Some(1000));
    let partition = testing::partition(&log, config);
    fill(&partition, 1, 40);
    log.flush();
    log.housekeep();
    assert_eq!(partition.segments()[0].size(), 0);
    clock.advance(Duration::from_secs(2));
    log.housekeep();
    assert_eq!(partition.offsets().start, Offset(40));
}

#[test]
fn what_was_aborted_goes_and_what_is_open_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path(), &Arc::new(ManualClock::new()));
    let partition = testing::partition(&log, config());
    let epoch = ProducerEpoch(0);
    let send = |id, key: &[u8]| {
        let builder = BatchBuilder::new()
            .producer(ProducerId(id), epoch, 0)
            .transactional();
        let batch = builder.record(0, Some(key), Some(b"value")).build();
        partition
            .append(&batch, Origin::Client)
            .expect("it is appended");
    };
    send(1, b"aborted");
    let marker = ControlRecord {
        outcome: Outcome::Abort,
        coordinator_epoch: 0,
    };
    partition
        .append_marker(ProducerId(1), epoch, marker)
        .expect("it is appended");
    fill(&partition, 1, 20);
    send(2, b"open");
    fill(&partition, 1, 20);
    log.flush();
    log.housekeep();
    let keys: Vec<_> = records(&partition).into_iter().map(|it| it.1).collect();
    assert!(!keys.contains(&b"aborted".to_vec()));
    assert!(keys.contains(&b"open".to_vec()));
    // Nothing from the open transaction on is compacted.
    assert!(keys.iter().filter(|key| **key == [1]).count() > 20);
}

#[test]
fn a_record_without_a_key_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path(), &Arc::new(ManualClock::new()));
    let partition = testing::partition(&log, config());
    let refused = partition.append(&testing::batch(1, 0), Origin::Client);
    assert!(matches!(refused, Err(AppendError::Invalid(_))));
}

#[test]
fn the_last_of_each_key_stays_wherever_the_power_goes() {
    let settings = Settings {
        flush_threads: 0,
        ..Settings::default()
    };
    let open = |disk: &SimulatedDisk| {
        let clock = Arc::new(ManualClock::new());
        Log::open(disk.clone(), Path::new("events"), &settings, clock)
            .expect("it opens")
            .0
    };
    let find = |log: &Log<SimulatedDisk>| {
        log.topic(testing::TOPIC).expect("it is there").partitions()[0].clone()
    };
    let mut compacted = 0;
    for operations in 0..200 {
        for seed in 0..4 {
            let disk = SimulatedDisk::new(seed);
            let log = open(&disk);
            log.create_topic(
                &testing::name(testing::TOPIC),
                TopicId([1; 16]),
                1,
                config(),
            )
            .expect("made");
            let partition = find(&log);
            let fill = |numbers: std::ops::Range<u8>| {
                for at in numbers {
                    let batch = BatchBuilder::new().record(0, Some(&[at % 7]), Some(&[at; 50]));
                    let batch = batch
                        .record(0, Some(&[at % 3 + 10]), Some(&[at; 10]))
                        .record(0, Some(&[at, 1]), None)
                        .build();
                    partition
                        .append(&batch, Origin::Client)
                        .expect("it is appended");
                }
                log.flush();
                records(&partition)
            };
            let mut all = fill(0..60);
            if seed % 2 == 1 {
                // So that there are small segments to put together.
                log.housekeep();
                let more = fill(60..120);
                all.extend(more.into_iter().filter(|it| it.0 >= 180));
            }
            disk.cut_power_after(operations);
            log.housekeep();
            let disk = disk.power_cut();
            drop((partition, log));
            for _ in 0..2 {
                let log = open(&disk);
                for pair in find(&log).segments().windows(2) {
                    let last = pair[0].last_offset().expect("it reads");
                    assert!(last < Some(pair[1].base), "records are there twice");
                }
                let left = records(&find(&log));
                assert!(left.iter().all(|record| all.contains(record)));
                assert!(left.is_sorted_by(|one, next| one.0 < next.0), "{left:?}");
                for key in all.iter().map(|it| &it.1) {
                    let last = all.iter().rfind(|it| it.1 == *key);
                    assert_eq!(
                        left.iter().rfind(|it| it.1 == *key),
                        last,
                        "after {operations}"
                    );
                }
                compacted += usize::from(left.len() < all.len());
                log.housekeep();
                assert!(
                    records(&find(&log)).len() < all.len(),
                    "it can be done again"
                );
            }
        }
    }
    assert!(compacted > 100, "{compacted}");
}

#[test]
fn a_damaged_segment_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path(), &Arc::new(ManualClock::new()));
    let partition = testing::partition(&log, config());
    fill(&partition, 1, 40);
    log.flush();
    let path = partition.segments()[0].path().to_owned();
    let mut bytes = std::fs::read(&path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).expect("it is written");
    log.housekeep();
    assert_eq!(std::fs::read(&path).expect("it is there"), bytes);
    assert_eq!(partition.size(), 40 * testing_batch_length());
}

fn testing_batch_length() -> u64 {
    BatchBuilder::new()
        .record(0, Some(&[1]), Some(&[0; 50]))
        .build()
        .len() as u64
}
