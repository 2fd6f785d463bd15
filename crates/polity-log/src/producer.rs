//! What is known of the producers that write with idempotence or in transactions.
//!
//! All of it follows from the batches in the log, in their order: what a start replays is what was
//! there before. Rules are those of KIP-98 and KIP-360.

mod count;
mod encoding;
mod known;

use std::collections::BTreeMap;

pub(crate) use count::{Count, Everybody};
pub(crate) use known::{Known, Sent};

use crate::batch::{ControlRecord, Header};
use crate::error::AppendError;
use crate::id::{Offset, ProducerEpoch, ProducerId};
use crate::partition::Origin;

#[cfg(test)]
#[path = "producer_tests.rs"]
mod tests;

/// Producers that are known of a partition; beyond that those are forgotten that were silent longest.
const MAX_PRODUCERS: usize = 10_000;

/// The share of them that is forgotten at once, as all have to be looked through for it.
const FORGOTTEN: usize = 10;

/// The producers of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers(BTreeMap<ProducerId, Known>);

/// What a batch did to its producer's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// It began one.
    Began,
    /// It ended the one that began there.
    Ended { first: Offset },
}

impl Producers {
    /// Whether a producer's batch may be appended; or where it is, if it has been.
    pub(crate) fn check(
        &self,
        batch: &Header,
        origin: Origin,
    ) -> Result<Option<Sent>, AppendError> {
        if !batch.is_idempotent() {
            return Ok(None);
        }
        let Some(known) = self.0.get(&batch.producer_id) else {
            return Ok(None);
        };
        if let Some(sent) = known.duplicate_of(batch) {
            known.check_duplicate(batch, &sent)?;
            return Ok(Some(sent));
        }
        known.check_epoch(batch.producer_id, batch.producer_epoch)?;
        if known.transaction.is_some() && !batch.attributes.is_transactional() {
            let why = "the producer has a transaction open, and the batch is not part of it";
            return Err(AppendError::Transaction(why));
        }
        if origin == Origin::Client {
            known.check_sequence(batch)?;
        }
        Ok(None)
    }

    /// Whether a marker may be appended.
    pub(crate) fn check_marker(
        &self,
        id: ProducerId,
        epoch: ProducerEpoch,
        marker: ControlRecord,
    ) -> Result<(), AppendError> {
        let Some(known) = self.0.get(&id) else {
            return Ok(());
        };
        known.check_epoch(id, epoch)?;
        match marker.coordinator_epoch < known.coordinator_epoch {
            true => Err(AppendError::Coordinator {
                got: marker.coordinator_epoch,
                latest: known.coordinator_epoch,
            }),
            false => Ok(()),
        }
    }

    /// Where a producer's open transaction began.
    pub(crate) fn transaction_of(&self, id: ProducerId) -> Option<Offset> {
        self.0.get(&id)?.transaction
    }

    /// Where the first open transaction began, but for this producer's.
    pub(crate) fn first_open_without(&self, id: ProducerId) -> Option<Offset> {
        let others = self.0.iter().filter(|(other, _)| **other != id);
        others.filter_map(|(_, known)| known.transaction).min()
    }

    /// Takes note of a batch that has been appended, or is replayed.
    pub(crate) fn apply(&mut self, batch: &Header, marker: Option<ControlRecord>) -> Change {
        if !batch.is_idempotent() {
            return Change::None;
        }
        let known = self
            .0
            .entry(batch.producer_id)
            .or_insert_with(|| Known::new(batch.producer_epoch));
        let change = match marker {
            Some(marker) => known.end(batch, marker),
            None if batch.attributes.is_control() => Change::None,
            None => known.append(batch),
        };
        if self.0.len() > MAX_PRODUCERS {
            self.forget_silent(batch.producer_id);
        }
        change
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets who has been silent for so long that it will not send again what it sent before.
    pub(crate) fn expire(&mut self, before_ms: i64) {
        self.0
            .retain(|_, known| known.transaction.is_some() || known.last_timestamp_ms >= before_ms);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ProducerId, &Known)> {
        self.0.iter().map(|(id, known)| (*id, known))
    }

    /// Forgets some who were silent longest, but not this one, nor who has a transaction open. Were they not
    /// silent for good, what they send again would not be known for the same.
    pub(crate) fn forget_silent(&mut self, but: ProducerId) {
        let may_go = |id: ProducerId, known: &Known| id != but && known.transaction.is_none();
        let silent = self.iter().filter(|(id, known)| may_go(*id, known));
        let mut silent: Vec<Offset> = silent.map(|(_, known)| known.last_offset).collect();
        let Some(last) = silent.len().div_ceil(FORGOTTEN).checked_sub(1) else {
            return;
        };
        let (_, &mut last, _) = silent.select_nth_unstable(last);
        self.0
            .retain(|id, known| known.last_offset > last || !may_go(*id, known));
    }
}
