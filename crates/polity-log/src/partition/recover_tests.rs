//! What is there after a start is what was there before, as far as it got.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::batch::{BatchBuilder, ControlRecord, Outcome};
use crate::partition::{Isolation, Origin, lock};
use crate::testing::{self, Interleaved, batch, offsets, read_all};
use crate::{Log, Partition, ProducerEpoch, ProducerId, RealDisk, TopicConfig};

fn config() -> TopicConfig {
    TopicConfig {
        segment_bytes: 2000,
        index_interval_bytes: 200,
        ..TopicConfig::default()
    }
}

/// As a killed process leaves it.
fn kill(log: Log) {
    log.flush();
    std::mem::forget(log);
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let folder = folder.join("orders-0");
    let entries = fs::read_dir(folder)
        .expect("it is there")
        .map(|it| it.expect("it is read").path());
    let mut files: Vec<_> = entries
        .filter(|it| it.extension().is_some_and(|it| it == ending))
        .collect();
    files.sort();
    files
}

#[derive(Debug, Clone)]
enum Step {
    Plain(usize),
    Idempotent { id: i64, records: usize },
    Transactional { id: i64, records: usize },
    End { id: i64, is_commit: bool },
    Bump { id: i64 },
    Kill,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1usize..4).prop_map(Step::Plain),
        4 => (0i64..3, 1usize..4).prop_map(|(id, records)| Step::Idempotent { id, records }),
        6 => (3i64..6, 1usize..4).prop_map(|(id, records)| Step::Transactional { id, records }),
        5 => (3i64..6, any::<bool>()).prop_map(|(id, is_commit)| Step::End { id, is_commit }),
        1 => (0i64..6).prop_map(|id| Step::Bump { id }),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..80)
}

/// What a client of the log does, and what it expects to read.
struct Client {
    folder: tempfile::TempDir,
    log: Option<Log>,
    partition: Arc<Partition<RealDisk>>,
    /// Of each producer, its epoch and next sequence.
    producers: [(i16, i32); 6],
}

impl Client {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = testing::log(folder.path());
        let partition = testing::partition(&log, config());
        Self {
            folder,
            log: Some(log),
            partition,
            producers: [(0, 0); 6],
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Plain(records) => drop(self.partition.append(&batch(records, 0), Origin::Client)),
            Step::Idempotent { id, records } => self.send(id, records, false),
            Step::Transactional { id, records } => self.send(id, records, true),
            Step::End { id, is_commit } => {
                let outcome = if is_commit {
                    Outcome::Commit
                } else {
                    Outcome::Abort
                };
                let marker = ControlRecord {
                    outcome,
                    coordinator_epoch: 0,
                };
                let epoch = ProducerEpoch(self.producers[id as usize].0);
                self.partition
                    .append_marker(ProducerId(id), epoch, marker)
                    .expect("it is appended");
            }
            Step::Bump { id } => {
                let (epoch, next) = &mut self.producers[id as usize];
                (*epoch, *next) = (*epoch + 1, 0);
            }
            Step::Kill => self.reopen(kill),
            Step::Close => self.reopen(drop),
        }
    }

    fn send(&mut self, id: i64, records: usize, is_transactional: bool) {
        let (epoch, next) = &mut self.producers[id as usize];
        let builder = BatchBuilder::new().producer(ProducerId(id), ProducerEpoch(*epoch), *next);
        let builder = if is_transactional {
            builder.transactional()
        } else {
            builder
        };
        let built = (0..records)
            .fold(builder, |builder, _| builder.record(1, None, None))
            .build();
        let first = self
            .partition
            .append(&built, Origin::Client)
            .expect("it is next");
        let again = self
            .partition
            .append(&built, Origin::Client)
            .expect("it is a duplicate");
        assert!(again.is_duplicate && again.base_offset == first.base_offset);
        *next += records as i32;
    }

    fn reopen(&mut self, end: fn(Log)) {
        self.log.take().into_iter().for_each(end);
        let log = testing::log(self.folder.path());
        self.partition = testing::partition(&log, config());
        self.log = Some(log);
    }

    /// All that follows from the batches.
    fn state(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        self.log.as_ref().expect("it is open").flush();
        let writer = lock(&self.partition.writer);
        let read = self
            .partition
            .read(Offset(0), Isolation::ReadCommitted, usize::MAX)
            .expect("it reads");
        let bounds = self.partition.bounds();
        let mut epochs = bounds.epochs.clone();
        // One without batches follows from how it was closed, not from them.
        epochs.0.retain(|(_, begin)| *begin < writer.end);
        let state = (
            writer.producers.clone(),
            epochs,
            bounds.transactions.clone(),
        );
        (state, writer.end, read.offsets, read.aborted)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn what_is_known_is_what_a_replay_gives(steps in steps()) {
        let mut client = Client::new();
        steps.iter().for_each(|step| client.take(step));
        let live = client.state();
        client.reopen(drop);
        prop_assert_eq!(&client.state(), &live, "after a close");
        client.reopen(kill);
        prop_assert_eq!(&client.state(), &live, "after a kill");
        client.log.take().into_iter().for_each(kill);
        for checkpoint in files(client.folder.path(), "checkpoint") {
            fs::remove_file(checkpoint).expect("it is there");
        }
        client.reopen(kill);
        prop_assert_eq!(&client.state(), &live, "without a checkpoint");
    }
}

#[test]
fn readers_of_what_is_committed_stop_at_an_open_transaction_and_are_told_of_aborted_ones() {
    let mut client = Client::new();
    let steps = [
        Step::Plain(2),
        Step::Transactional { id: 3, records: 2 },
        Step::Transactional { id: 4, records: 1 },
        Step::Plain(1),
    ];
    steps.iter().for_each(|step| client.take(step));
    let read = |client: &Client, from| {
        let read = client
            .partition
            .read(Offset(from), Isolation::ReadCommitted, usize::MAX);
        let read = read.expect("it reads");
        let aborted: Vec<_> = read
            .aborted
            .iter()
            .map(|it| (it.producer_id.0, it.first_offset.0))
            .collect();
        (read.offsets.last_stable.0, read.slice.is_some(), aborted)
    };
    client.log.as_ref().expect("it is open").flush();
    assert_eq!(read(&client, 0), (2, true, vec![]));
    client.take(&Step::End {
        id: 3,
        is_commit: false,
    });
    // The marker is not durable: were it lost, the transaction could still be committed.
    assert_eq!(read(&client, 2), (2, false, vec![]));
    client.log.as_ref().expect("it is open").flush();
    assert_eq!(read(&client, 2), (4, true, vec![(3, 2)]));
    client.take(&Step::End {
        id: 4,
        is_commit: true,
    });
    client.log.as_ref().expect("it is open").flush();
    assert_eq!(read(&client, 0), (8, true, vec![(3, 2)]));
    assert_eq!(read(&client, 7), (8, true, vec![]));
}

#[test]
fn the_leaders_epoch_rises_with_a_kill_and_never_falls() {
    let mut client = Client::new();
    client.take(&Step::Plain(2));
    let epoch = |client: &Client| client.partition.leader_epoch().0;
    assert_eq!(epoch(&client), 0);
    client.reopen(kill);
    assert_eq!(epoch(&client), 1);
    let end = client.partition.end_of_epoch(LeaderEpoch(0));
    assert_eq!(end, Some((LeaderEpoch(0), Offset(2))));
    // Nothing was appended, and clients know of it all the same.
    client.reopen(drop);
    assert_eq!(epoch(&client), 1);
    client.reopen(drop);
    assert_eq!(epoch(&client), 1);
}

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
    let folder = tempfile::tempdir().expect("a folder");
    let settings = crate::Settings {
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
