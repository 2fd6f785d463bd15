//! Markers: batches of one record by which a transaction ends in a partition.

use super::{BatchBuilder, BatchError, Record};
use crate::id::{ProducerEpoch, ProducerId};

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its records do not count.
    Abort,
    /// Its records count.
    Commit,
}

/// What a marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRecord {
    /// How the transaction ended.
    pub outcome: Outcome,
    /// Of the coordinator that decided it: an older one is a zombie's.
    pub coordinator_epoch: i32,
}

impl ControlRecord {
    /// The batch of this marker for a producer's transaction.
    pub fn batch(self, id: ProducerId, epoch: ProducerEpoch, timestamp_ms: i64) -> Vec<u8> {
        let mut key = [0; 4];
        let kind: i16 = match self.outcome {
            Outcome::Abort => 0,
            Outcome::Commit => 1,
        };
        key[2..].copy_from_slice(&kind.to_be_bytes());
        let mut value = [0; 6];
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        BatchBuilder::new()
            .producer(id, epoch, -1)
            .transactional()
            .control()
            .record(timestamp_ms, Some(&key), Some(&value))
            .build()
    }

    /// Reads what a marker's record says; None where it is a kind of marker that ends no transaction.
    pub fn parse(record: &Record<'_>) -> Result<Option<Self>, BatchError> {
        let key = record.key.and_then(<[u8]>::first_chunk::<4>);
        let [_, _, kind @ ..] = key.ok_or(BatchError::Record("a marker has no type"))?;
        let outcome = match i16::from_be_bytes(*kind) {
            0 => Outcome::Abort,
            1 => Outcome::Commit,
            _ => return Ok(None),
        };
        let value = record.value.and_then(<[u8]>::first_chunk::<6>);
        let [_, _, epoch @ ..] = value.ok_or(BatchError::Record("a marker has no epoch"))?;
        let coordinator_epoch = i32::from_be_bytes(*epoch);
        Ok(Some(Self {
            outcome,
            coordinator_epoch,
        }))
    }
}
