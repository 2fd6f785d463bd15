//! What is there after a start is what was there before, as far as it got.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::batch::{BatchBuilder, ControlRecord, Outcome};
use crate::partition::{Isolation, Origin, lock};
use crate::testing::{self, batch};
use crate::{Log, Partition, ProducerEpoch, ProducerId, RealDisk, TopicConfig};

fn config() -> TopicConfig {
    TopicConfig {
        segment_bytes: 2000,
        index_interval_bytes: 200,
        ..TopicConfig::default()
    }
}

/// As a killed process leaves it.
pub(super) fn kill(log: Log) {
    log.flush();
    std::mem::forget(log);
}

pub(super) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
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
pub(super) enum Step {
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
pub(super) struct Client {
    pub(super) folder: tempfile::TempDir,
    pub(super) log: Option<Log>,
    pub(super) partition: Arc<Partition<RealDisk>>,
    /// Of each producer, its epoch and next sequence.
    producers: [(i16, i32); 6],
}

impl Client {
    pub(super) fn new() -> Self {
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

    pub(super) fn take(&mut self, step: &Step) {
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

    pub(super) fn reopen(&mut self, end: fn(Log)) {
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
