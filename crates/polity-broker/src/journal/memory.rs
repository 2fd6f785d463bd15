//! A journal in memory, which can be told to fail, to be compacted and to be replayed.

use std::collections::HashMap;

use super::{AppendError, Batch, Entry, Journal, ProducerIdentity};

/// What a replay finds, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    Entry {
        offset: i64,
        producer: Option<ProducerIdentity>,
        entry: Entry,
    },
    Marker {
        producer: ProducerIdentity,
        committed: bool,
    },
}

#[derive(Debug, Default)]
pub(crate) struct MemoryJournal {
    pub(crate) written: Vec<Written>,
    pub(crate) next_offset: i64,
    /// What the next appends answer instead of appending.
    pub(crate) failure: Option<AppendError>,
}

impl Journal for MemoryJournal {
    fn append(&mut self, batch: Batch) -> Result<i64, AppendError> {
        assert!(!batch.entries.is_empty(), "a batch has a record");
        if let Some(error) = self.failure {
            return Err(error);
        }
        let first = self.next_offset;
        for entry in batch.entries {
            self.written.push(Written::Entry {
                offset: self.next_offset,
                producer: batch.producer,
                entry,
            });
            self.next_offset += 1;
        }
        Ok(first)
    }
}

impl MemoryJournal {
    pub(crate) fn mark(&mut self, producer: ProducerIdentity, committed: bool) {
        self.next_offset += 1;
        self.written.push(Written::Marker {
            producer,
            committed,
        });
    }

    /// What compaction may make of it at any time: of what is decided (before the first open
    /// transaction), aborted records are gone, and the last record of each key stays unless it is a
    /// tombstone.
    pub(crate) fn compacted(&self) -> Vec<Written> {
        let decided = self
            .written
            .iter()
            .enumerate()
            .map(|(at, written)| match written {
                Written::Entry {
                    producer: Some(producer),
                    ..
                } => self.outcome(at, *producer),
                _ => Some(true),
            });
        let decided: Vec<Option<bool>> = decided.collect();
        let stable = decided
            .iter()
            .position(Option::is_none)
            .unwrap_or(decided.len());
        let counts = |at: usize| at < stable && decided.get(at) == Some(&Some(true));
        let mut last: HashMap<&[u8], usize> = HashMap::new();
        for (at, written) in self.written.iter().enumerate() {
            if let Written::Entry { entry, .. } = written
                && counts(at)
            {
                last.insert(&entry.key, at);
            }
        }
        let keep = |at: usize, written: &Written| match written {
            Written::Entry { entry, .. } if at < stable => {
                last.get(entry.key.as_ref()) == Some(&at) && entry.value.is_some()
            }
            _ => true,
        };
        let all = self.written.iter().enumerate();
        all.filter(|(at, written)| keep(*at, written))
            .map(|(_, written)| written.clone())
            .collect()
    }

    /// How the transaction of a record at that place ended, if it has.
    fn outcome(&self, at: usize, producer: ProducerIdentity) -> Option<bool> {
        self.written[at..].iter().find_map(|written| match written {
            Written::Marker {
                producer: ended,
                committed,
            } if ended.id == producer.id => Some(*committed),
            _ => None,
        })
    }
}
