//! Random producers, a journal that fails and a broker that dies, against a model of what must be.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::harness::*;
use crate::group::TopicPartition;
use crate::journal::{AppendError, ProducerIdentity};
use crate::transaction::*;

/// Processes that all use one transactional id, most of them wrongly.
const PROCESSES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// Whether the process says who it was.
    Init(usize, bool),
    Add(usize, i32),
    /// Version, commit, and whether the answer arrives.
    End(usize, i16, bool, bool),
    WriteMarkers,
    Advance(u64),
    Fail(bool),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let process = 0..PROCESSES;
    prop_oneof![
        2 => (process.clone(), any::<bool>()).prop_map(|(process, says)| Step::Init(process, says)),
        4 => (process.clone(), 0..3).prop_map(|(process, partition)| Step::Add(process, partition)),
        4 => (process, 4..6i16, any::<bool>(), any::<bool>())
            .prop_map(|(process, version, commit, arrives)| Step::End(process, version, commit, arrives)),
        3 => Just(Step::WriteMarkers),
        1 => (0..80_000u64).prop_map(Step::Advance),
        1 => any::<bool>().prop_map(Step::Fail),
        1 => Just(Step::Restart),
    ]
}

#[derive(Default)]
struct World {
    harness: Harness,
    processes: [Option<ProducerIdentity>; PROCESSES],
    /// What the transaction that goes on has in it.
    open: Option<BTreeSet<TopicPartition>>,
    /// How the one that is being ended must end.
    decided: Option<(bool, BTreeSet<TopicPartition>)>,
    /// Which process was given an identity by InitProducerId, and whether it was as a new one.
    given: BTreeMap<ProducerIdentity, usize>,
}

impl World {
    fn run(&mut self, step: Step) {
        match step {
            Step::Init(process, says) => self.init(process, says),
            Step::Add(process, partition) => self.add(process, partition),
            Step::End(process, version, commit, arrives) => {
                self.end(process, version, commit, arrives)
            }
            Step::WriteMarkers => self.write_markers(),
            Step::Advance(ms) => self.harness.advance(Duration::from_millis(ms)),
            Step::Fail(fails) => {
                self.harness.journal.failure = fails.then_some(AppendError::Unavailable);
            }
            Step::Restart => self.harness.restart(),
        }
        // Time, or another producer, may have aborted it.
        let state = self.state();
        if let Some(open) = self.open.take_if(|_| state == Some(State::PrepareAbort)) {
            assert!(!matches!(
                step,
                Step::Add(..) | Step::Fail(..) | Step::Restart
            ));
            self.decided = Some((false, open));
        }
        self.check();
    }

    fn state(&self) -> Option<State> {
        self.harness
            .coordinator
            .describe("id")
            .map(|metadata| metadata.state)
    }

    fn init(&mut self, process: usize, says: bool) {
        let current = self.processes[process].filter(|_| says);
        let was_right = current.is_none_or(|it| self.is_right(it) || self.is_before(it));
        if let Ok(producer) = self.harness.init_as("id", current) {
            assert!(was_right, "a fenced producer goes on");
            let owner = *self.given.entry(producer).or_insert(process);
            assert_eq!(owner, process, "two processes have one identity");
            assert_ne!(producer.epoch, i16::MAX);
            self.processes[process] = Some(producer);
        }
    }

    fn is_right(&self, producer: ProducerIdentity) -> bool {
        let metadata = self.harness.coordinator.describe("id");
        metadata.is_some_and(|it| it.producer == producer)
    }

    /// It is the last that was given to anybody before the present one.
    fn is_before(&self, producer: ProducerIdentity) -> bool {
        let Some(now) = self.harness.coordinator.describe("id") else {
            return false;
        };
        producer.id == now.producer.id && producer.epoch + 1 == now.producer.epoch
    }

    fn add(&mut self, process: usize, partition: i32) {
        let Some(producer) = self.processes[process] else {
            return;
        };
        let was_right = self.is_right(producer);
        if self.harness.add(producer, partition).is_ok() {
            assert!(was_right, "a fenced producer adds to a transaction");
            assert_eq!(
                self.decided, None,
                "a transaction begins before the last has ended"
            );
            self.open.get_or_insert_default().insert(at(partition));
        }
    }

    fn end(&mut self, process: usize, version: i16, commit: bool, arrives: bool) {
        let Some(producer) = self.processes[process] else {
            return;
        };
        let (was_right, before) = (self.is_right(producer), self.state());
        let Ok(next) = self.harness.end(version, producer, commit) else {
            return;
        };
        if let Some(open) = self.open.take() {
            assert!(was_right, "a fenced producer ends a transaction");
            self.decided = Some((commit, open));
        } else {
            let done = before.and_then(|state| match state {
                State::CompleteCommit => Some(true),
                State::CompleteAbort => Some(false),
                _ => None,
            });
            let is_new = version >= 5 && was_right && !commit;
            assert!(is_new || done == Some(commit), "a decision is reversed");
            if is_new {
                self.decided = Some((false, BTreeSet::new()));
            }
        }
        if arrives {
            self.processes[process] = Some(next);
        }
    }

    fn write_markers(&mut self) {
        for markers in std::mem::take(&mut self.harness.markers) {
            if self
                .harness
                .call(|it, outside| it.markers_written(outside, &markers))
                .is_err()
            {
                self.harness.markers.push(markers);
            } else {
                self.decided = None;
            }
        }
    }

    fn check(&self) {
        self.harness.coordinator.check_weight();
        let written = &self.harness.journal.written;
        let live = self.harness.coordinator.describe("id");
        assert_eq!(self.harness.replayed(written).describe("id"), live);
        let compacted = self.harness.journal.compacted();
        assert_eq!(self.harness.replayed(&compacted).describe("id"), live);
        let unfinished = self.harness.coordinator.unfinished();
        assert_eq!(unfinished, self.harness.markers);
        let Some(live) = live else {
            return;
        };
        if let Some((is_commit, partitions)) = &self.decided {
            let expected: Vec<_> = partitions.iter().cloned().collect();
            assert_eq!(
                (unfinished[0].is_commit, &unfinished[0].partitions),
                (*is_commit, &expected)
            );
        } else {
            assert_eq!(unfinished, []);
        }
        assert_eq!(live.state == State::Ongoing, self.open.is_some());
        if let Some(open) = &self.open {
            assert_eq!(&live.partitions, open);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_decisions_stand_and_fenced_producers_change_nothing(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::default();
        for step in steps {
            world.run(step);
        }
        // All goes well again: what was begun comes to its end.
        world.run(Step::Fail(false));
        world.run(Step::Advance(120_000));
        world.run(Step::WriteMarkers);
        prop_assert!(world.harness.markers.is_empty());
        prop_assert!(world.harness.init().is_ok());
    }
}
