//! Records go from the beginning, and stay gone.

use std::time::Duration;

use polity_core::ManualClock;

use super::*;
use crate::batch::{BatchBuilder, ControlRecord, Outcome};
use crate::testing::{self, batch, offsets, read_all};
use crate::{Isolation, Log, Origin, ProducerEpoch, ProducerId, RealDisk, Settings};

struct Place {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    log: Log,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::new());
        let log = open(folder.path(), &clock);
        Self { folder, clock, log }
    }

    fn reopen(self) -> Self {
        let Self { folder, clock, log } = self;
        log.flush();
        std::mem::forget(log);
        let log = open(folder.path(), &clock);
        Self { folder, clock, log }
    }

    fn partition(&self, config: TopicConfig) -> Arc<Partition<RealDisk>> {
        testing::partition(&self.log, config)
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

fn config() -> TopicConfig {
    TopicConfig {
        segment_bytes: 1024,
        ..TopicConfig::default()
    }
}

fn fill(partition: &Arc<Partition<RealDisk>>, batches: i64) {
    for at in 0..batches {
        partition
            .append(&batch(2, at), Origin::Client)
            .expect("it is appended");
    }
}

#[test]
fn what_a_deleted_topic_still_does_leaves_the_next_of_its_name_alone() {
    let place = Place::new();
    let deleted = place.partition(config());
    fill(&deleted, 60);
    place.log.flush();
    place
        .log
        .delete_topic(&testing::name(testing::TOPIC), crate::TopicId([1; 16]))
        .expect("it is there");
    fill(&place.partition(config()), 60);
    place.log.flush();
    deleted.delete_records(None).expect("it reads");
    deleted.housekeep();
    let place = place.reopen();
    let read = offsets(&read_all(&place.partition(config()), usize::MAX));
    assert_eq!((read[0].0, read[read.len() - 1].1), (0, 119));
}

#[test]
fn late_records_of_early_times_after_a_start_take_no_new_ones_with_them() {
    let config = || TopicConfig {
        retention_ms: Some(1000),
        ..TopicConfig::default()
    };
    let place = Place::new();
    place.clock.advance(Duration::from_secs(100));
    let now_ms = 100_000;
    let fresh = |partition: &Arc<Partition<RealDisk>>, at| {
        partition
            .append(&batch(2, at), Origin::Client)
            .expect("it is appended");
    };
    fresh(&place.partition(config()), now_ms);
    let place = {
        let Place { folder, clock, log } = place;
        drop(log);
        let log = open(folder.path(), &clock);
        Place { folder, clock, log }
    };
    let partition = place.partition(config());
    fresh(&partition, 0);
    place.log.housekeep();
    assert_eq!(partition.offsets().start, Offset(0));
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let place = Place::new();
    let partition = place.partition(TopicConfig {
        retention_bytes: Some(3000),
        ..config()
    });
    fill(&partition, 60);
    place.log.flush();
    place.log.housekeep();
    assert!(
        (3000..4100).contains(&partition.size()),
        "{}",
        partition.size()
    );
    let start = partition.offsets().start;
    assert!(start > Offset(60));
    let early = partition.read(Offset(start.0 - 1), Isolation::ReadUncommitted, 1);
    assert!(matches!(early, Err(ReadError::OutOfRange { .. })));
    let read = offsets(&read_all(&partition, usize::MAX));
    assert_eq!((read[0].0, read[read.len() - 1].1), (start.0, 119));
    let place = place.reopen();
    let partition = place.partition(config());
    assert_eq!(partition.offsets().start, start);
    assert_eq!(offsets(&read_all(&partition, usize::MAX)), read);
}

#[test]
fn all_goes_with_time_and_offsets_go_on() {
    let place = Place::new();
    let partition = place.partition(TopicConfig {
        retention_ms: Some(1000),
        ..config()
    });
    fill(&partition, 60);
    place.log.flush();
    place.log.housekeep();
    assert_eq!(partition.offsets().start, Offset(0));
    place.clock.advance(Duration::from_secs(2));
    place.log.housekeep();
    assert_eq!(partition.offsets().start, Offset(120));
    // What was appended to last is removed once a checkpoint has what follows from it.
    place.log.housekeep();
    assert_eq!(
        (partition.offsets().start, partition.size()),
        (Offset(120), 0)
    );
    fill(&partition, 1);
    let place = place.reopen();
    let partition = place.partition(config());
    assert_eq!(offsets(&read_all(&partition, usize::MAX)), [(120, 121)]);
}

#[test]
fn an_open_transaction_keeps_what_follows_it() {
    let place = Place::new();
    let partition = place.partition(TopicConfig {
        retention_ms: Some(1000),
        ..config()
    });
    fill(&partition, 20);
    let (id, epoch) = (ProducerId(1), ProducerEpoch(0));
    let builder = BatchBuilder::new().producer(id, epoch, 0).transactional();
    let transactional = builder.record(0, None, None).build();
    partition
        .append(&transactional, Origin::Client)
        .expect("it is appended");
    fill(&partition, 40);
    place.log.flush();
    place.clock.advance(Duration::from_secs(2));
    place.log.housekeep();
    let start = partition.offsets().start;
    assert!(start > Offset(0) && start <= Offset(40), "{start}");
    let marker = ControlRecord {
        outcome: Outcome::Abort,
        coordinator_epoch: 0,
    };
    partition
        .append_marker(id, epoch, marker)
        .expect("it is appended");
    place.log.flush();
    place.clock.advance(Duration::from_secs(2));
    place.log.housekeep();
    assert_eq!(partition.offsets().start, Offset(122));
}

#[test]
fn deleted_records_stay_deleted() {
    let place = Place::new();
    let partition = place.partition(config());
    fill(&partition, 60);
    let beyond = partition.delete_records(Some(Offset(121)));
    assert!(matches!(beyond, Err(ReadError::OutOfRange { .. })));
    assert_eq!(
        partition.delete_records(Some(Offset(51))).expect("it may"),
        Offset(51)
    );
    assert_eq!(
        partition.delete_records(Some(Offset(7))).expect("it may"),
        Offset(51)
    );
    // The batch that has the first record is there whole.
    assert_eq!(offsets(&read_all(&partition, usize::MAX))[0], (50, 51));
    let place = place.reopen();
    let partition = place.partition(config());
    assert_eq!(partition.offsets().start, Offset(51));
    assert_eq!(offsets(&read_all(&partition, usize::MAX))[0], (50, 51));
    assert_eq!(partition.delete_records(None).expect("it may"), Offset(120));
    assert!(read_all(&partition, usize::MAX).is_empty());
    let found = partition
        .offset_for_time(0, Isolation::ReadUncommitted)
        .expect("it reads");
    assert_eq!(found, None);
}

#[test]
fn segments_that_should_be_gone_go_at_the_next_start() {
    let place = Place::new();
    let partition = place.partition(config());
    fill(&partition, 60);
    place.log.flush();
    START
        .write(&RealDisk, &place.folder.path().join("orders-0"), Offset(55))
        .expect("it is written");
    let place = place.reopen();
    let partition = place.partition(config());
    assert_eq!(partition.offsets().start, Offset(55));
    let first = partition.segments()[0].base;
    assert!(first > Offset(0) && first <= Offset(55));
}
