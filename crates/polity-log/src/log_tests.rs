//! Topics are there or not, before and after a start.

use super::*;
use crate::batch::BatchBuilder;
use crate::testing::{self, batch, name};
use crate::{AppendError, Offset, Origin, ProducerEpoch, ProducerId};

fn topic_names(log: &Log) -> Vec<String> {
    log.topics().keys().map(ToString::to_string).collect()
}

#[test]
fn topics_outlive_the_process_with_what_is_set_for_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let mut config = TopicConfig {
        segment_bytes: 4096,
        ..TopicConfig::default()
    };
    log.create_topic(&name("a"), TopicId([1; 16]), 2, config.clone())
        .expect("it is made");
    log.create_topic(&name("b"), TopicId([2; 16]), 1, config.clone())
        .expect("it is made");
    log.add_partitions(&name("a"), 5).expect("they are made");
    config.retention_ms = None;
    log.configure_topic(&name("a"), config.clone())
        .expect("it is changed");
    drop(log);
    let log = testing::log(folder.path());
    assert_eq!(topic_names(&log), ["a", "b"]);
    let topic = log.topic("a").expect("it is there");
    assert_eq!(
        (topic.id(), topic.partitions().len()),
        (TopicId([1; 16]), 5)
    );
    assert_eq!(*topic.config(), config);
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let make =
        |count| log.create_topic(&name("a"), TopicId([1; 16]), count, TopicConfig::default());
    assert!(matches!(make(0), Err(TopicError::Partitions { .. })));
    assert!(matches!(
        make(MAX_PARTITIONS + 1),
        Err(TopicError::Partitions { .. })
    ));
    make(2).expect("it is made");
    assert!(matches!(make(2), Err(TopicError::Exists(_))));
    let add = log.add_partitions(&name("a"), 2);
    assert!(matches!(add, Err(TopicError::Partitions { least: 3, .. })));
    assert!(matches!(
        log.delete_topic(&name("b"), TopicId([1; 16])),
        Err(TopicError::Unknown(_))
    ));
    // One of its name that came later.
    assert!(matches!(
        log.delete_topic(&name("a"), TopicId([2; 16])),
        Err(TopicError::Unknown(_))
    ));
}

#[test]
fn a_deleted_topic_is_gone_and_another_can_have_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = testing::log(folder.path());
    let partition = testing::partition(&log, TopicConfig::default());
    partition
        .append(&batch(1, 0), Origin::Client)
        .expect("it is appended");
    log.flush();
    let read = partition
        .read(Offset(0), crate::Isolation::ReadUncommitted, 1)
        .expect("it reads");
    log.delete_topic(&name(testing::TOPIC), TopicId([1; 16]))
        .expect("it is there");
    assert!(
        read.slice.expect("it was found").bytes().is_ok(),
        "what was found can be read"
    );
    let late = partition.append(&batch(1, 0), Origin::Client);
    assert!(matches!(late, Err(AppendError::Deleted)));
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("it is there")
            .count(),
        0
    );
    let old = partition;
    let partition = testing::partition(&log, TopicConfig::default());
    assert_eq!(partition.offsets().end, Offset(0));
    let late = old.read(Offset(0), crate::Isolation::ReadUncommitted, 1);
    assert!(matches!(late, Err(crate::ReadError::Deleted)), "{late:?}");
    drop(log);
    assert_eq!(topic_names(&testing::log(folder.path())), [testing::TOPIC]);
}

#[test]
fn all_topics_together_have_no_more_partitions_than_they_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        max_partitions: 5,
        ..Settings::default()
    };
    let log = testing::open(folder.path(), &settings);
    let make = |topic: &str, count| {
        let made = log.create_topic(
            &name(topic),
            TopicId([1; 16]),
            count,
            TopicConfig::default(),
        );
        made.map(|topic| topic.partitions().len())
    };
    assert!(matches!(make("a", 3), Ok(3)));
    assert!(matches!(
        make("b", 3),
        Err(TopicError::Full {
            more: 3,
            has: 3,
            most: 5
        })
    ));
    assert!(matches!(make("b", 1), Ok(1)));
    let grown = log.add_partitions(&name("a"), 5);
    assert!(matches!(
        grown,
        Err(TopicError::Full {
            more: 2,
            has: 4,
            most: 5
        })
    ));
    log.add_partitions(&name("a"), 4)
        .expect("there is room for one");
    log.delete_topic(&name("b"), TopicId([1; 16]))
        .expect("it is there");
    assert!(matches!(make("c", 1), Ok(1)));
}

#[test]
fn producers_are_bounded_over_all_partitions() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        flush_threads: 0,
        max_producers: 200,
        ..Settings::default()
    };
    const PARTITIONS: usize = 20;
    let fill = |log: &Log, from: i64| {
        for topic in log.topics().values() {
            for partition in topic.partitions() {
                for id in from..from + 100 {
                    let batch = BatchBuilder::new().producer(ProducerId(id), ProducerEpoch(0), 0);
                    let batch = batch.record(0, None, None).build();
                    let appended = partition.append(&batch, Origin::Client);
                    assert!(!appended.expect("it is appended").is_duplicate);
                    // Who has just come is known.
                    let again = partition.append(&batch, Origin::Client);
                    assert!(again.expect("it is there").is_duplicate);
                }
            }
        }
    };
    let known = |log: &Log| -> usize {
        let topics = log.topics();
        let partitions = topics.values().flat_map(|topic| topic.partitions());
        partitions.map(|it| it.producers().len()).sum()
    };
    let log = testing::open(folder.path(), &settings);
    let topic = testing::name("orders");
    let create = |log: &Log| {
        let config = TopicConfig::default();
        let made = log.create_topic(&topic, TopicId([1; 16]), PARTITIONS as u32, config);
        made.expect("it is made");
    };
    create(&log);
    fill(&log, 0);
    let most = settings.max_producers + PARTITIONS;
    assert!(
        (settings.max_producers..=most).contains(&known(&log)),
        "{}",
        known(&log)
    );
    drop(log);
    let log = testing::open(folder.path(), &settings);
    assert!((1..=most).contains(&known(&log)), "{}", known(&log));
    // Those of a topic that is gone are counted no more.
    log.delete_topic(&topic, TopicId([1; 16]))
        .expect("it is deleted");
    create(&log);
    fill(&log, 1000);
    assert!(
        (settings.max_producers..=most).contains(&known(&log)),
        "{}",
        known(&log)
    );
}
