//! What a log does when its disk does not do as asked, one failure at a time.

use std::path::Path;
use std::sync::Arc;

use polity_core::ManualClock;

use crate::disk::simulated::SimulatedDisk;
use crate::testing::{TOPIC, batch, block_on, name};
use crate::{
    AppendError, Isolation, Log, Offset, Origin, Partition, Settings, Topic, TopicConfig,
    TopicError, TopicId,
};

fn open(disk: &SimulatedDisk) -> Log<SimulatedDisk> {
    let settings = Settings {
        flush_threads: 0,
        ..Settings::default()
    };
    let clock = Arc::new(ManualClock::new());
    Log::open(disk.clone(), Path::new("events"), &settings, clock)
        .expect("it opens")
        .0
}

fn create(log: &Log<SimulatedDisk>, id: u8) -> Result<Arc<Topic<SimulatedDisk>>, TopicError> {
    let config = TopicConfig {
        segment_bytes: 1024,
        ..TopicConfig::default()
    };
    log.create_topic(&name(TOPIC), TopicId([id; 16]), 2, config)
}

fn append(partition: &Arc<Partition<SimulatedDisk>>) -> Result<Offset, AppendError> {
    partition
        .append(&batch(1, 0), Origin::Client)
        .map(|appended| appended.last_offset)
}

fn is_readable(partition: &Partition<SimulatedDisk>, offset: Offset) -> bool {
    let read = partition
        .read(offset, Isolation::ReadUncommitted, 1)
        .expect("it reads");
    read.slice.is_some_and(|slice| slice.bytes().is_ok())
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_what_was_durable_is_read() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    let topic = create(&log, 1).expect("it is made");
    let partition = topic.partitions()[0].clone();
    let durable = append(&partition).expect("it is appended");
    log.flush();
    block_on(partition.committed(durable)).expect("it is durable");
    let lost = append(&partition).expect("it is appended");
    disk.fail_sync_after(0);
    log.flush();
    let waited = block_on(partition.committed(lost));
    assert!(
        matches!(waited, Err(AppendError::Poisoned(_))),
        "{waited:?}"
    );
    // The next sync would report success; it is not believed.
    log.flush();
    assert!(matches!(
        block_on(partition.committed(lost)),
        Err(AppendError::Poisoned(_))
    ));
    assert!(matches!(append(&partition), Err(AppendError::Poisoned(_))));
    assert!(matches!(
        append(&topic.partitions()[1]),
        Err(AppendError::Poisoned(_))
    ));
    assert!(matches!(
        log.delete_topic(&name(TOPIC), TopicId([1; 16])),
        Err(TopicError::Poisoned(_))
    ));
    assert!(
        log.poisoned()
            .is_some_and(|why| why.contains("the sync failed"))
    );
    assert!(is_readable(&partition, durable) && !is_readable(&partition, lost));
    let disk = disk.restart();
    drop(log);
    let log = open(&disk);
    let partition = log.topic(TOPIC).expect("it is there").partitions()[0].clone();
    append(&partition).expect("it goes on");
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    let disk = SimulatedDisk::new(2);
    let log = open(&disk);
    let partition = create(&log, 1).expect("it is made").partitions()[0].clone();
    for room in 0..400 {
        let end = partition.offsets().end;
        disk.leave_room(Some(room % 80));
        let refused = append(&partition);
        assert!(matches!(refused, Err(AppendError::DiskFull)), "{refused:?}");
        assert_eq!(partition.offsets().end, end);
        disk.leave_room(None);
        assert_eq!(append(&partition).expect("there is room again"), end);
        log.flush();
        assert!(is_readable(&partition, end));
    }
    assert!(log.poisoned().is_none());
}

#[test]
fn a_topic_that_cannot_be_deleted_for_want_of_room_is_as_it_was() {
    let disk = SimulatedDisk::new(3);
    let log = open(&disk);
    let partition = create(&log, 1).expect("it is made").partitions()[0].clone();
    let end = append(&partition).expect("it is appended");
    disk.leave_room(Some(0));
    assert!(matches!(
        log.delete_topic(&name(TOPIC), TopicId([1; 16])),
        Err(TopicError::Io(_))
    ));
    disk.leave_room(None);
    assert!(matches!(create(&log, 2), Err(TopicError::Exists(_))));
    assert_eq!(append(&partition).expect("it goes on"), end.next());
    log.delete_topic(&name(TOPIC), TopicId([1; 16]))
        .expect("there is room again");
    assert!(log.topic(TOPIC).is_none());
}

/// Does something with the power going after every number of operations in turn, until it is done before.
fn at_every_operation(
    prepare: impl Fn(&Log<SimulatedDisk>),
    act: impl Fn(&Log<SimulatedDisk>) -> bool,
    check: impl Fn(&Log<SimulatedDisk>, bool),
) {
    for operations in 0.. {
        for seed in 0..8 {
            let disk = SimulatedDisk::new(seed);
            let log = open(&disk);
            prepare(&log);
            disk.cut_power_after(operations);
            let is_done = act(&log);
            let disk = disk.power_cut();
            drop(log);
            let log = open(&disk);
            check(&log, is_done);
            drop(log);
            // Once more: what was begun has been ended, or has not happened.
            check(&open(&disk.power_cut()), is_done);
            if is_done && operations > 200 {
                return;
            }
        }
    }
}

#[test]
fn a_topic_is_made_or_not_wherever_the_power_goes() {
    at_every_operation(
        |_| {},
        |log| create(log, 1).is_ok(),
        |log, is_done| match log.topic(TOPIC) {
            Some(topic) => {
                assert_eq!(topic.partitions().len(), 2);
                append(&topic.partitions()[1]).expect("it can be used");
            }
            None => {
                assert!(!is_done, "it was made");
                create(log, 2).expect("it can be made again");
                log.delete_topic(&name(TOPIC), TopicId([2; 16]))
                    .expect("and deleted");
            }
        },
    );
}

#[test]
fn a_topic_is_deleted_or_not_wherever_the_power_goes() {
    at_every_operation(
        |log| {
            let topic = create(log, 1).expect("it is made");
            append(&topic.partitions()[0]).expect("it is appended");
            log.flush();
        },
        |log| log.delete_topic(&name(TOPIC), TopicId([1; 16])).is_ok(),
        |log, is_done| match log.topic(TOPIC) {
            Some(topic) => {
                assert!(!is_done, "it was deleted");
                assert!(is_readable(&topic.partitions()[0], Offset(0)));
            }
            None => {
                let topic = create(log, 2).expect("its name is free");
                assert_eq!(
                    topic.partitions()[0].offsets().end,
                    Offset(0),
                    "the old records are back"
                );
                log.delete_topic(&name(TOPIC), TopicId([2; 16]))
                    .expect("it is there");
            }
        },
    );
}
