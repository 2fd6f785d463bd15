//! What happens at the worst moment: files that cannot be opened, and readers while the disk is slow.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use polity_core::ManualClock;

use crate::batch::{BatchBuilder, ControlRecord, Outcome};
use crate::config::Cleanup;
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::testing::{Interleaved, Moment, TOPIC, name};
use crate::{
    Isolation, LeaderEpoch, Log, Offset, OpenError, Origin, Partition, ProducerEpoch, ProducerId,
    Settings, TopicConfig, TopicId,
};

type Faulty = Interleaved<SimulatedDisk>;

const FOLDER: &str = "events/orders-0";

fn open(disk: &Faulty) -> Result<Log<Faulty>, OpenError> {
    open_with(disk, Settings::default().max_open_files)
}

fn open_with(disk: &Faulty, max_open_files: usize) -> Result<Log<Faulty>, OpenError> {
    let settings = Settings {
        flush_threads: 0,
        max_open_files,
        ..Settings::default()
    };
    let clock = Arc::new(ManualClock::new());
    let opened = Log::open(disk.clone(), Path::new("events"), &settings, clock);
    opened.map(|(log, _)| log)
}

fn create(log: &Log<Faulty>) -> Arc<Partition<Faulty>> {
    let config = TopicConfig {
        segment_bytes: 1024,
        index_interval_bytes: 0,
        cleanup: Cleanup {
            delete: true,
            compact: true,
        },
        min_cleanable_dirty_ratio: 0.0,
        ..TopicConfig::default()
    };
    let topic = log.create_topic(&name(TOPIC), TopicId([1; 16]), 1, config);
    topic.expect("it is made").partitions()[0].clone()
}

fn append(partition: &Arc<Partition<Faulty>>, count: usize) {
    for _ in 0..count {
        append_key(partition, b"key");
    }
}

fn append_key(partition: &Arc<Partition<Faulty>>, key: &[u8]) {
    let batch = BatchBuilder::new().record(0, Some(key), Some(&[7; 60]));
    let appended = partition.append(&batch.build(), Origin::Client);
    appended.expect("it is appended");
}

fn abort(partition: &Arc<Partition<Faulty>>, id: i64) {
    let (id, epoch) = (ProducerId(id), ProducerEpoch(0));
    let builder = BatchBuilder::new().producer(id, epoch, 0).transactional();
    let batch = builder.record(0, Some(b"key"), None).build();
    let appended = partition.append(&batch, Origin::Client);
    appended.expect("it is appended");
    let marker = ControlRecord {
        outcome: Outcome::Abort,
        coordinator_epoch: 0,
    };
    let ended = partition.append_marker(id, epoch, marker);
    ended.expect("it is appended");
}

#[test]
fn a_file_that_cannot_be_opened_is_not_taken_for_none() {
    let disk = Interleaved::new(SimulatedDisk::new(1));
    let log = open(&disk).expect("it opens");
    let partition = create(&log);
    append(&partition, 40);
    log.flush();
    log.housekeep();
    let deleted = partition.delete_records(Some(Offset(20)));
    deleted.expect("it is deleted");
    drop(log);
    for ending in [".checkpoint", "start-offset", "compacted-offset", ".log"] {
        if ending == "compacted-offset" {
            // It is asked for where no checkpoint vouches for what is there.
            for entry in disk.list(Path::new(FOLDER)).expect("it is there") {
                if entry.name.ends_with("checkpoint") {
                    let path = Path::new(FOLDER).join(entry.name);
                    disk.remove(&path).expect("it is there");
                }
            }
        }
        disk.at(Moment::BeforeOpen, ending, || {
            Err(io::Error::from_raw_os_error(24))
        });
        let refused = open(&disk).map(|log| log.topics().len());
        assert!(
            matches!(refused, Err(OpenError::Io(_))),
            "{ending}: {refused:?}"
        );
        assert!(!disk.is_waiting(), "{ending} is not asked for");
    }
}

#[test]
fn a_partition_whose_folder_is_missing_is_not_taken_for_a_new_one() {
    let disk = Interleaved::new(SimulatedDisk::new(2));
    let log = open(&disk).expect("it opens");
    append(&create(&log), 1);
    drop(log);
    disk.remove_folder(Path::new(FOLDER)).expect("it is there");
    let refused = open(&disk).map(|log| log.topics().len());
    let why = refused.expect_err("it is missing").to_string();
    assert!(why.contains("events/orders-0 is missing"), "{why}");
    // As the message says.
    disk.create_folder(Path::new(FOLDER)).expect("it is made");
    let log = open(&disk).expect("it opens");
    let topic = log.topic(TOPIC).expect("it is there");
    assert_eq!(topic.partitions()[0].offsets().end, Offset(0));
}

#[test]
fn a_start_after_a_close_waits_for_no_sync() {
    let disk = Interleaved::new(SimulatedDisk::new(5));
    let log = open(&disk).expect("it opens");
    let partition = create(&log);
    append(&partition, 40);
    log.flush();
    drop(log);
    let log = open(&disk).expect("it opens");
    let partition = log.topic(TOPIC).expect("it is there").partitions()[0].clone();
    partition.delete_records(None).expect("it is deleted");
    // As a killed process leaves it: who begins there must know that it is for good.
    std::mem::forget(log);
    let is_synced = |disk: &Faulty| {
        let refuse = || Err(io::Error::other("refused"));
        disk.at(Moment::BeforeSyncFolder, "orders-0", refuse);
        open(disk).map(|log| log.topics().len()).is_err()
    };
    assert!(is_synced(&disk));
    drop(open(&disk).expect("it opens"));
    assert!(!is_synced(&disk));
}

/// All that readers ask.
fn ask(partition: &Partition<Faulty>) {
    let start = partition.offsets().start;
    for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        let read = partition.read(start, isolation, 1000).expect("it reads");
        read.slice
            .expect("there is something")
            .bytes()
            .expect("it reads");
        partition.offset_for_time(0, isolation).expect("it reads");
    }
    partition.leader_epoch();
    partition.end_of_epoch(LeaderEpoch(0));
    partition.size();
}

#[test]
fn no_reader_waits_for_a_write_or_a_sync() {
    for (moment, ending) in [
        (Moment::BeforeWrite, ".log"),
        (Moment::BeforeWrite, ".index"),
        (Moment::BeforeWrite, ".txnindex"),
        (Moment::BeforeSync, ".log"),
        (Moment::BeforeSync, ".timeindex"),
        (Moment::BeforeSync, ".txnindex"),
    ] {
        let disk = Interleaved::new(SimulatedDisk::new(3));
        let log = open(&disk).expect("it opens");
        let partition = create(&log);
        abort(&partition, 1);
        append(&partition, 3);
        log.flush();
        let asked = partition.clone();
        disk.at(moment, ending, move || {
            let (done, is_done) = mpsc::channel();
            thread::spawn(move || {
                ask(&asked);
                done.send(()).ok();
            });
            // Long past what it takes: it is waited for only where it cannot go on.
            let waited = is_done.recv_timeout(Duration::from_secs(10));
            waited.map_err(|_| io::Error::other("a reader waits"))
        });
        for id in 2..100 {
            abort(&partition, id);
        }
        log.flush();
        assert!(!disk.is_waiting(), "{moment:?} {ending} does not come");
        assert_eq!(log.poisoned(), None, "{moment:?} {ending}");
    }
}

#[test]
fn making_an_index_durable_takes_nothing_from_it() {
    for moment in [Moment::BeforeTruncate, Moment::BeforeSync] {
        let disk = Interleaved::new(SimulatedDisk::new(4));
        let log = open(&disk).expect("it opens");
        let partition = create(&log);
        append(&partition, 12);
        // In a segment that is full no sooner than the checkpoint before it is due.
        abort(&partition, 1);
        let appended = partition.clone();
        disk.at(moment, ".txnindex", move || {
            abort(&appended, 2);
            Ok(())
        });
        log.flush();
        if disk.is_waiting() {
            abort(&partition, 2);
        }
        log.flush();
        let read = partition
            .read(Offset(12), Isolation::ReadCommitted, 1 << 20)
            .expect("it reads");
        let told: Vec<_> = read.aborted.iter().map(|it| it.producer_id.0).collect();
        assert_eq!(told, [1, 2], "{moment:?}");
    }
}

#[test]
fn what_is_looked_for_in_a_segment_is_found_in_the_one_it_is_put_into() {
    let disk = Interleaved::new(SimulatedDisk::new(6));
    let log = Arc::new(open_with(&disk, 1).expect("it opens"));
    let partition = create(&log);
    for number in 0..20 {
        append(&partition, 2);
        append_key(&partition, &[number]);
    }
    log.flush();
    // What is left of a few fits into one.
    log.housekeep();
    append(&partition, 10);
    log.flush();
    // What is asked for time and again is known; what was opened for that is closed.
    let latest = partition.offset_of_latest_time(Isolation::ReadUncommitted);
    latest.expect("it reads");
    let keeper = log.clone();
    disk.at(Moment::BeforeOpen, "07.index", move || {
        keeper.housekeep();
        Ok(())
    });
    let read = partition.read(Offset(9), Isolation::ReadCommitted, 1000);
    let bytes = read
        .expect("it reads")
        .slice
        .expect("there is more")
        .bytes();
    assert!(!bytes.expect("it reads").is_empty());
    assert!(!disk.is_waiting(), "it is not opened");
    let left = disk.list(Path::new(FOLDER)).expect("it is there");
    assert!(
        left.iter().all(|it| !it.name.ends_with("07.log")),
        "{left:?}"
    );
}
