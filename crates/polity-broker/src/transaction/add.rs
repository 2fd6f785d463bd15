//! AddPartitionsToTxn and AddOffsetsToTxn: where the transaction will write.

use super::coordinator::{Context, Coordinator};
use super::error::Error;
use super::metadata::State;
use crate::group::TopicPartition;
use crate::journal::ProducerIdentity;

impl Coordinator {
    /// Adds partitions, all or none; the first begins the transaction. For AddOffsetsToTxn it is the
    /// partition of `__consumer_offsets` that the group is in. That they exist is for the caller to
    /// check.
    ///
    /// # Errors
    /// None is added; `ConcurrentTransactions` while the transaction before is being ended.
    pub fn add_partitions(
        &mut self,
        outside: &mut Context,
        id: &str,
        producer: ProducerIdentity,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        let transaction = self.of_producer(id, producer)?;
        let mut metadata = transaction.metadata.clone();
        let last_epoch = transaction.last_epoch;
        match metadata.state {
            State::PrepareCommit | State::PrepareAbort => {
                return Err(Error::ConcurrentTransactions);
            }
            State::Dead => return Err(Error::InvalidTxnState),
            State::Ongoing => {
                if partitions.iter().all(|at| metadata.partitions.contains(at)) {
                    return Ok(());
                }
            }
            State::Empty | State::CompleteCommit | State::CompleteAbort => {
                metadata.state = State::Ongoing;
                metadata.started_at_ms = outside.now.unix_ms;
            }
        }
        metadata.partitions.extend(partitions.iter().cloned());
        let id = id.into();
        self.bear(&id, &metadata)?;
        self.change(outside, &id, metadata, last_epoch)
    }

    /// Whether the producer may write to that partition now: a batch that comes late, after the end
    /// of its transaction, must not begin another one that nobody ends (KIP-890).
    ///
    /// # Errors
    /// It may not; `TransactionAbortable` where the partition is not in its transaction.
    pub fn verify(
        &self,
        id: &str,
        producer: ProducerIdentity,
        at: &TopicPartition,
    ) -> Result<(), Error> {
        let metadata = &self.of_producer(id, producer)?.metadata;
        match metadata.state {
            State::PrepareCommit | State::PrepareAbort => Err(Error::ConcurrentTransactions),
            State::Ongoing if metadata.partitions.contains(at) => Ok(()),
            _ => Err(Error::TransactionAbortable),
        }
    }
}
