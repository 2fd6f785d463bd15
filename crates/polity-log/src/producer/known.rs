//! One producer, as a partition knows it.

use super::Change;
use crate::batch::{ControlRecord, Header, sequence_after};
use crate::error::AppendError;
use crate::id::{Offset, ProducerEpoch, ProducerId};

/// Batches that a producer may have under way, and so may send again (Kafka's
/// `max.in.flight.requests.per.connection` with idempotence).
pub(super) const REMEMBERED: usize = 5;

/// One batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) base_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) timestamp_ms: i64,
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) epoch: ProducerEpoch,
    /// Its last batches under this epoch, the latest last.
    pub(crate) batches: Vec<Sent>,
    /// Where its open transaction began.
    pub(crate) transaction: Option<Offset>,
    /// Of the coordinator that ended its last transaction, or -1.
    pub(crate) coordinator_epoch: i32,
    /// Of its last batch or marker.
    pub(crate) last_offset: Offset,
    pub(crate) last_timestamp_ms: i64,
}

impl Known {
    pub(super) fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            batches: Vec::with_capacity(REMEMBERED),
            transaction: None,
            coordinator_epoch: -1,
            last_offset: Offset(-1),
            last_timestamp_ms: -1,
        }
    }

    pub(super) fn duplicate_of(&self, batch: &Header) -> Option<Sent> {
        let is_same = |sent: &&Sent| {
            sent.base_sequence == batch.base_sequence && sent.last_sequence == batch.last_sequence()
        };
        let known = self
            .batches
            .iter()
            .filter(|_| self.epoch == batch.producer_epoch);
        known.rev().find(is_same).copied()
    }

    /// A batch of a transaction is sent again before its end only. One that comes after has other records:
    /// its producer gave one up without knowing that it is here, and counts on from before it (librdkafka
    /// 2.12 does, where it aborts). To take it for the same would lose it and say that it is there.
    pub(super) fn check_duplicate(&self, batch: &Header, sent: &Sent) -> Result<(), AppendError> {
        let is_open = |first: Offset| first <= sent.base_offset;
        if !batch.attributes.is_transactional() || self.transaction.is_some_and(is_open) {
            return Ok(());
        }
        let last = self.batches.last().unwrap_or(sent);
        Err(AppendError::Sequence {
            producer: batch.producer_id,
            got: batch.base_sequence,
            expected: sequence_after(last.last_sequence, 1),
        })
    }

    pub(super) fn check_epoch(
        &self,
        producer: ProducerId,
        got: ProducerEpoch,
    ) -> Result<(), AppendError> {
        match got < self.epoch {
            true => Err(AppendError::Fenced {
                producer,
                got,
                latest: self.epoch,
            }),
            false => Ok(()),
        }
    }

    /// A new epoch begins at 0. A marker may have brought an epoch in which nothing was sent yet.
    pub(super) fn check_sequence(&self, batch: &Header) -> Result<(), AppendError> {
        let last = self
            .batches
            .last()
            .filter(|_| self.epoch == batch.producer_epoch);
        let expected = last.map_or(0, |sent| sequence_after(sent.last_sequence, 1));
        match batch.base_sequence == expected {
            true => Ok(()),
            false => Err(AppendError::Sequence {
                producer: batch.producer_id,
                got: batch.base_sequence,
                expected,
            }),
        }
    }

    pub(super) fn append(&mut self, batch: &Header) -> Change {
        self.saw(batch);
        if batch.base_sequence >= 0 {
            if self.batches.len() == REMEMBERED {
                self.batches.remove(0);
            }
            self.batches.push(Sent {
                base_sequence: batch.base_sequence,
                last_sequence: batch.last_sequence(),
                base_offset: batch.base_offset,
                last_offset: batch.last_offset(),
                timestamp_ms: batch.max_timestamp_ms,
            });
        }
        if batch.attributes.is_transactional() && self.transaction.is_none() {
            self.transaction = Some(batch.base_offset);
            return Change::Began;
        }
        Change::None
    }

    pub(super) fn end(&mut self, batch: &Header, marker: ControlRecord) -> Change {
        self.saw(batch);
        self.coordinator_epoch = marker.coordinator_epoch;
        match self.transaction.take() {
            Some(first) => Change::Ended { first },
            None => Change::None,
        }
    }

    fn saw(&mut self, batch: &Header) {
        if batch.producer_epoch > self.epoch {
            self.epoch = batch.producer_epoch;
            self.batches.clear();
        }
        self.last_offset = batch.last_offset();
        self.last_timestamp_ms = batch.max_timestamp_ms;
    }
}
