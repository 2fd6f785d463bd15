//! How far a group has come in each partition: what is committed, and what open transactions would
//! commit.

use std::collections::BTreeMap;

use super::id::TopicPartition;
use super::record::OffsetValue;

/// The offsets of one group. Changed only by what has been appended to the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offsets {
    committed: BTreeMap<TopicPartition, Committed>,
    /// By producer id. A producer has one open transaction at a time.
    pending: BTreeMap<i64, BTreeMap<TopicPartition, Committed>>,
    /// About how many bytes it is.
    weight: usize,
}

/// An offset's bytes besides the texts it has.
const OFFSET_WEIGHT: usize = 128;

fn weight(at: &TopicPartition, committed: &Committed) -> usize {
    OFFSET_WEIGHT + at.topic.len() + committed.value.metadata.len()
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Committed {
    value: OffsetValue,
    /// The record's offset in the journal. A commit outside the transaction that came after one in it
    /// stands, although the transaction is committed later.
    position: i64,
}

impl Offsets {
    /// What is committed for a partition.
    pub fn get(&self, at: &TopicPartition) -> Option<&OffsetValue> {
        self.committed.get(at).map(|committed| &committed.value)
    }

    /// All that is committed.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &OffsetValue)> {
        self.committed
            .iter()
            .map(|(at, committed)| (at, &committed.value))
    }

    /// Whether an open transaction may change the partition's offset.
    pub fn is_pending(&self, at: &TopicPartition) -> bool {
        self.pending
            .values()
            .any(|offsets| offsets.contains_key(at))
    }

    /// Whether there is anything at all, committed or pending.
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    /// Every partition with an offset, committed or pending.
    pub(super) fn partitions(&self) -> Vec<TopicPartition> {
        let pending = self.pending.values().flat_map(BTreeMap::keys);
        let mut all: Vec<_> = self.committed.keys().chain(pending).cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A record at that position of the journal: a commit, or (`None`) a tombstone.
    pub(super) fn apply(
        &mut self,
        position: i64,
        producer: Option<i64>,
        at: TopicPartition,
        value: Option<OffsetValue>,
    ) {
        match (producer, value) {
            (Some(producer), Some(value)) => {
                let new = Committed { value, position };
                self.weight += weight(&at, &new);
                let offsets = self.pending.entry(producer).or_default();
                if let Some(old) = offsets.insert(at.clone(), new) {
                    self.weight -= weight(&at, &old);
                }
            }
            (None, Some(value)) => self.commit(at, Committed { value, position }),
            // Nothing before a tombstone counts, not even if it is committed afterwards.
            (_, None) => {
                let pending = self.pending.values_mut().filter_map(|it| it.remove(&at));
                let gone = pending.chain(self.committed.remove(&at));
                self.weight -= gone.map(|old| weight(&at, &old)).sum::<usize>();
                self.pending.retain(|_, offsets| !offsets.is_empty());
            }
        }
    }

    fn commit(&mut self, at: TopicPartition, new: Committed) {
        self.weight += weight(&at, &new);
        if let Some(old) = self.committed.insert(at.clone(), new) {
            self.weight -= weight(&at, &old);
        }
    }

    /// About how many bytes it is.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// The end of a producer's transaction.
    pub(super) fn complete(&mut self, producer: i64, is_committed: bool) {
        let Some(offsets) = self.pending.remove(&producer) else {
            return;
        };
        for (at, new) in offsets {
            self.weight -= weight(&at, &new);
            let newer = |old: &Committed| old.position > new.position;
            if is_committed && !self.committed.get(&at).is_some_and(newer) {
                self.commit(at, new);
            }
        }
    }
}

#[cfg(test)]
impl Offsets {
    /// The weight, counted anew.
    pub(super) fn weigh(&self) -> usize {
        let pending = self.pending.values().flatten();
        let all = self.committed.iter().chain(pending);
        all.map(|(at, committed)| weight(at, committed)).sum()
    }
}
