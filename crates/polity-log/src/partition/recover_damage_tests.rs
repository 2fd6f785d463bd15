//! Tests of a start after files were torn, damaged or left behind: what is verified, and what is cut.

use std::fs;

use super::tests::{Client, Step, files, kill};
use super::*;
use crate::partition::{Isolation, Origin};
use crate::testing::{self, Interleaved, batch, offsets, read_all};
use crate::{Durability, Log, RealDisk, TopicConfig};

#[test]
fn a_torn_end_is_cut_off_and_reported_wherever_it_is_torn() {
    let given = [batch(2, 0), batch(1, 0), batch(3, 0)];
    let ends: Vec<usize> = (0..=3)
        .map(|count| given[..count].iter().map(Vec::len).sum())
        .collect();
    for length in (0..=ends[3]).step_by(7).chain(ends.iter().copied()) {
        let folder = tempfile::tempdir().expect("a folder");
        let log = testing::log(folder.path());
        let partition = testing::partition(&log, TopicConfig::default());
        for batch in &given {
            partition
                .append(batch, Origin::Client)
                .expect("it is appended");
        }
        kill(log);
        let path = &files(folder.path(), "log")[0];
        let torn = fs::read(path).expect("it is there");
        fs::write(path, &torn[..length]).expect("it is written");
        let clock = Arc::new(polity_core::ManualClock::new());
        let settings = crate::Settings::default();
        let opened = Log::open(RealDisk, folder.path(), &settings, clock).expect("it opens");
        let (log, report) = opened;
        let whole = ends
            .iter()
            .rposition(|end| *end <= length)
            .expect("nothing is whole at least");
        let cut: u64 = report.truncated.iter().map(|it| it.bytes).sum();
        assert_eq!(cut, (length - ends[whole]) as u64);
        let partition = testing::partition(&log, TopicConfig::default());
        assert_eq!(read_all(&partition, usize::MAX).len(), whole);
        partition
            .append(&batch(1, 0), Origin::Client)
            .expect("it goes on");
        log.flush();
        assert_eq!(read_all(&partition, usize::MAX).len(), whole + 1);
    }
}

#[test]
fn a_hole_in_an_earlier_segment_ends_the_log_there() {
    let mut client = Client::new();
    (0..60).for_each(|_| client.take(&Step::Plain(2)));
    let (log, partition) = (
        client.log.take().expect("it is open"),
        client.partition.clone(),
    );
    log.flush();
    let all = offsets(&read_all(&partition, usize::MAX));
    kill(log);
    let logs = files(client.folder.path(), "log");
    assert!(logs.len() > 3);
    // As if no checkpoint had been made: with durability "os" a machine may lose any of it.
    files(client.folder.path(), "checkpoint")
        .iter()
        .for_each(|it| fs::remove_file(it).expect("there"));
    let mut bytes = fs::read(&logs[1]).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0);
    fs::write(&logs[1], bytes).expect("it is written");
    client.reopen(kill);
    let left = offsets(&read_all(&client.partition, usize::MAX));
    assert!(
        !left.is_empty() && left.len() < all.len() / 2,
        "{left:?} of {all:?}"
    );
    assert_eq!(left[..], all[..left.len()]);
    assert_eq!(files(client.folder.path(), "log").len(), 2);
}

#[test]
fn nothing_is_verified_after_a_close_and_little_after_a_kill() {
    let mut client = Client::new();
    (0..60).for_each(|_| client.take(&Step::Plain(2)));
    let size = client.partition.size();
    let verified = |client: &mut Client, end: fn(Log)| {
        client.log.take().into_iter().for_each(end);
        let clock = Arc::new(polity_core::ManualClock::new());
        let settings = crate::Settings {
            flush_threads: 0,
            ..crate::Settings::default()
        };
        let opened = Log::open(RealDisk, client.folder.path(), &settings, clock).expect("it opens");
        client.log = Some(opened.0);
        opened.1.verified
    };
    assert!((1..size / 3).contains(&verified(&mut client, kill)));
    assert!(verified(&mut client, drop) == 0);
    assert!(verified(&mut client, kill) == 0);
}

#[test]
fn no_more_is_verified_after_a_kill_than_is_asked_for() {
    verifies_little(Durability::Fsync);
    verifies_little(Durability::Os);
}

fn verifies_little(durability: Durability) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = crate::Settings {
        durability,
        flush_threads: 0,
        checkpoint_bytes: 3000,
        ..crate::Settings::default()
    };
    let log = testing::open(folder.path(), &settings);
    let config = TopicConfig {
        index_interval_bytes: 0,
        ..TopicConfig::default()
    };
    let partition = testing::partition(&log, config);
    for at in 0..100 {
        // The latest times come first.
        let appended = partition.append(&batch(2, 100 - at), Origin::Client);
        appended.expect("it is appended");
        log.flush();
    }
    let (size, before) = (partition.size(), read_all(&partition, usize::MAX));
    kill(log);
    let clock = Arc::new(polity_core::ManualClock::new());
    let (log, opened) = Log::open(RealDisk, folder.path(), &settings, clock).expect("it opens");
    assert!(size > 10_000, "{size}");
    assert!((1..3000).contains(&opened.verified), "{}", opened.verified);
    let topic = log.topic(testing::TOPIC).expect("it is there");
    let partition = &topic.partitions()[0];
    assert_eq!(read_all(partition, usize::MAX), before);
    let found = partition.offset_for_time(101, Isolation::ReadUncommitted);
    assert_eq!(
        found.expect("it reads").map(|it| it.offset),
        Some(Offset(1))
    );
}

#[test]
fn a_checkpoint_comes_though_appends_never_wait_for_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Interleaved::new(RealDisk);
    let settings = crate::Settings {
        flush_threads: 0,
        checkpoint_bytes: 1000,
        ..crate::Settings::default()
    };
    let clock = Arc::new(polity_core::ManualClock::new());
    let opened = Log::open(disk.clone(), folder.path(), &settings, clock);
    let log = opened.expect("it opens").0;
    let topic = log.create_topic(
        &testing::name(testing::TOPIC),
        crate::TopicId([1; 16]),
        1,
        TopicConfig::default(),
    );
    let partition = topic.expect("it is made").partitions()[0].clone();
    for _ in 0..5 {
        let append = {
            let partition = partition.clone();
            move || {
                for _ in 0..20 {
                    let appended = partition.append(&batch(2, 0), Origin::Client);
                    appended.expect("it is appended");
                }
            }
        };
        append();
        // More than a checkpoint is due for, while the one before is being made durable.
        disk.after_sync(append);
        partition.flush();
    }
    assert_ne!(files(folder.path(), "checkpoint").len(), 0);
}

#[test]
fn wrong_indexes_are_found_out() {
    for ending in ["index", "timeindex"] {
        for damage in [
            |_: &mut u8| {},
            |byte: &mut u8| *byte ^= 3,
            |byte: &mut u8| *byte = 0xff,
        ] {
            let mut client = Client::new();
            (0..90).for_each(|at| drop(client.partition.append(&batch(2, at), Origin::Client)));
            let expected = |client: &Client| {
                let partition = &client.partition;
                let find = |at| {
                    partition
                        .offset_for_time(at, Isolation::ReadUncommitted)
                        .expect("reads")
                };
                let read = |at| {
                    partition
                        .read(Offset(at), Isolation::ReadUncommitted, 1)
                        .expect("reads")
                };
                let read = |at| {
                    read(at)
                        .slice
                        .expect("something")
                        .bytes()
                        .expect("they are there")
                };
                (
                    (0..92).map(find).collect::<Vec<_>>(),
                    (0..180).map(read).collect::<Vec<_>>(),
                )
            };
            client.log.as_ref().expect("it is open").flush();
            let before = expected(&client);
            client.log.take().into_iter().for_each(drop);
            for path in files(client.folder.path(), ending) {
                let mut bytes = fs::read(&path).expect("it is there");
                if bytes.is_empty() {
                    continue;
                }
                let untouched = bytes.clone();
                bytes.iter_mut().for_each(damage);
                match bytes == untouched {
                    true => fs::remove_file(&path).expect("it goes"),
                    false => fs::write(&path, bytes).expect("it is written"),
                }
            }
            client.reopen(kill);
            assert!(expected(&client) == before, "{ending}");
        }
    }
}
