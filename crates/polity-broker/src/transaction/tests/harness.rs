//! A coordinator with a journal in memory and a clock that is told.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::group::TopicPartition;
use crate::journal::memory::{MemoryJournal, Written};
use crate::journal::{AppendError, ProducerIdentity};
use crate::now::Now;
use crate::transaction::*;

#[derive(Debug, Default)]
pub(crate) struct TestBlocks {
    pub(crate) next: i64,
    pub(crate) fails: bool,
}

impl IdBlocks for TestBlocks {
    fn reserve(&mut self, count: i64) -> Result<i64, AppendError> {
        if self.fails {
            return Err(AppendError::Unavailable);
        }
        self.next += count;
        Ok(self.next - count)
    }
}

pub(crate) struct Harness {
    pub(crate) coordinator: Coordinator,
    pub(crate) journal: MemoryJournal,
    pub(crate) blocks: TestBlocks,
    pub(crate) markers: Vec<WriteMarkers>,
    pub(crate) now: Now,
}

pub(crate) fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

impl Default for Harness {
    fn default() -> Self {
        Self {
            coordinator: Coordinator::new(Settings::default()),
            journal: MemoryJournal::default(),
            blocks: TestBlocks::default(),
            markers: Vec::new(),
            now: Now {
                instant: Instant::now(),
                unix_ms: 1_000_000,
            },
        }
    }
}

impl Harness {
    pub(crate) fn call<T>(&mut self, act: impl FnOnce(&mut Coordinator, &mut Context) -> T) -> T {
        let mut outside = Context {
            now: self.now,
            journal: &mut self.journal,
            id_blocks: &mut self.blocks,
            markers: &mut self.markers,
        };
        act(&mut self.coordinator, &mut outside)
    }

    pub(crate) fn init_as(
        &mut self,
        id: &str,
        current: Option<ProducerIdentity>,
    ) -> Result<ProducerIdentity, Error> {
        let request = InitProducerId {
            transactional_id: id.into(),
            timeout_ms: 60_000,
            current,
        };
        self.call(|it, outside| it.init_producer(outside, &request))
    }

    pub(crate) fn init(&mut self) -> Result<ProducerIdentity, Error> {
        self.init_as("id", None)
    }

    pub(crate) fn add(&mut self, producer: ProducerIdentity, partition: i32) -> Result<(), Error> {
        self.call(|it, outside| it.add_partitions(outside, "id", producer, &[at(partition)]))
    }

    pub(crate) fn end(
        &mut self,
        version: i16,
        producer: ProducerIdentity,
        is_commit: bool,
    ) -> Result<ProducerIdentity, Error> {
        let end = End {
            version,
            transactional_id: "id".into(),
            producer,
            is_commit,
        };
        self.call(|it, outside| it.end(outside, &end))
    }

    /// Writes all markers there are.
    pub(crate) fn write_markers(&mut self) -> Vec<WriteMarkers> {
        let written = std::mem::take(&mut self.markers);
        for markers in &written {
            self.call(|it, outside| it.markers_written(outside, markers))
                .unwrap();
        }
        written
    }

    pub(crate) fn state(&self) -> State {
        self.coordinator.describe("id").unwrap().state
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now.instant + by;
        while let Some(next) = self.coordinator.next_deadline().filter(|next| *next <= end) {
            self.set(next.max(self.now.instant));
            self.call(|coordinator, outside| coordinator.expire(outside));
            let left = self.coordinator.next_deadline();
            assert!(
                left.is_none_or(|left| left > self.now.instant),
                "a deadline that is not kept"
            );
        }
        self.set(end);
    }

    fn set(&mut self, instant: Instant) {
        let by = instant - self.now.instant;
        self.now = Now {
            instant,
            unix_ms: self.now.unix_ms + by.as_millis() as i64,
        };
    }

    pub(crate) fn replayed(&self, written: &[Written]) -> Coordinator {
        let mut coordinator = Coordinator::new(Settings::default());
        for written in written.iter().cloned() {
            let Written::Entry { entry, .. } = written else {
                panic!("no markers here");
            };
            coordinator.replay(entry, self.now).unwrap();
        }
        coordinator
    }

    /// The broker dies and starts again; markers are found in the journal, not remembered.
    pub(crate) fn restart(&mut self) {
        self.coordinator = self.replayed(&self.journal.written);
        self.markers = self.coordinator.unfinished();
    }
}
