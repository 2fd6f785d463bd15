//! EndTxn, and what follows: markers everywhere, then the transaction is over.

use smol_str::SmolStr;

use super::coordinator::{Context, Coordinator, WriteMarkers, validate_id};
use super::error::Error;
use super::metadata::{Metadata, State, is_exhausted};
use crate::journal::ProducerIdentity;

/// Since which version a transaction's end gives the producer a new epoch (KIP-890), so that a batch
/// of the transaction before cannot be taken for one of the next.
const NEW_EPOCH_SINCE: i16 = 5;

/// What is written down of a transaction that was ended so: the protocol's version of transactions.
const GIVES_NEW_EPOCH: i16 = 2;

/// An EndTxn request.
#[derive(Debug, Clone)]
pub struct End {
    /// Its version.
    pub version: i16,
    /// The transactional id.
    pub transactional_id: SmolStr,
    /// Who ends it.
    pub producer: ProducerIdentity,
    /// Commit, or abort.
    pub is_commit: bool,
}

impl Coordinator {
    /// Decides the transaction, and gives the producer as it is to call itself from now on (v5; before,
    /// it is the same). A request whose answer was lost may be repeated.
    ///
    /// # Errors
    /// Nothing is decided by this request; `ConcurrentTransactions` while an earlier one is being done.
    pub fn end(&mut self, outside: &mut Context, end: &End) -> Result<ProducerIdentity, Error> {
        match end.version >= NEW_EPOCH_SINCE {
            true => self.end_with_new_epoch(outside, end),
            false => self.end_with_same_epoch(outside, end),
        }
    }

    fn end_with_same_epoch(
        &mut self,
        outside: &mut Context,
        end: &End,
    ) -> Result<ProducerIdentity, Error> {
        let transaction = self.of_producer(&end.transactional_id, end.producer)?;
        let last_epoch = transaction.last_epoch;
        let mut metadata = transaction.metadata.clone();
        if metadata.state.prepared() == Some(end.is_commit) {
            return Err(Error::ConcurrentTransactions);
        }
        if metadata.state.completed() == Some(end.is_commit) {
            return Ok(end.producer);
        }
        if metadata.state != State::Ongoing {
            return Err(Error::InvalidTxnState);
        }
        metadata.client_version = 0;
        metadata.state = prepared(end.is_commit);
        self.change(outside, &end.transactional_id, metadata, last_epoch)?;
        Ok(end.producer)
    }

    fn end_with_new_epoch(
        &mut self,
        outside: &mut Context,
        end: &End,
    ) -> Result<ProducerIdentity, Error> {
        if let Some(answer) = self.repeated(end)? {
            return answer;
        }
        let transaction = self.of_producer(&end.transactional_id, end.producer)?;
        let mut metadata = transaction.metadata.clone();
        match metadata.state {
            State::Ongoing => {}
            State::PrepareCommit | State::PrepareAbort => {
                return Err(Error::ConcurrentTransactions);
            }
            // Nothing has been written that the coordinator knows of, but a batch may be on its way.
            State::Empty | State::CompleteCommit | State::CompleteAbort if !end.is_commit => {
                metadata.started_at_ms = outside.now.unix_ms;
            }
            _ => return Err(Error::InvalidTxnState),
        }
        if is_exhausted(metadata.producer.epoch) {
            metadata.next_producer_id = self.new_producer(outside)?.id;
        }
        let last_epoch = metadata.producer.epoch;
        metadata.producer.epoch = last_epoch.saturating_add(1);
        metadata.client_version = GIVES_NEW_EPOCH;
        metadata.state = prepared(end.is_commit);
        let successor = metadata.successor();
        self.change(outside, &end.transactional_id, metadata, last_epoch)?;
        Ok(successor)
    }

    /// The answer to a request that has been done already: the epoch is the next one since.
    fn repeated(&self, end: &End) -> Result<Option<Result<ProducerIdentity, Error>>, Error> {
        validate_id(&end.transactional_id)?;
        let Some(transaction) = self.ids.get(&end.transactional_id) else {
            return Ok(None);
        };
        let metadata = &transaction.metadata;
        if metadata.client_version < GIVES_NEW_EPOCH {
            // The last end gave nobody a new epoch: the one there is now is another producer's.
            return Ok(None);
        }
        let before = |producer: ProducerIdentity| {
            producer.id == end.producer.id
                && end.producer.epoch.checked_add(1) == Some(producer.epoch)
        };
        let of_previous = metadata.producer.epoch == 0
            && metadata.previous_producer_id == end.producer.id
            && is_exhausted(end.producer.epoch);
        if !before(metadata.producer) && !of_previous {
            return Ok(None);
        }
        Ok(
            match (metadata.state.prepared(), metadata.state.completed()) {
                (Some(is_commit), _) if is_commit == end.is_commit => {
                    Some(Err(Error::ConcurrentTransactions))
                }
                (_, Some(is_commit)) if is_commit == end.is_commit => Some(Ok(metadata.producer)),
                (None, None) => None,
                _ => Some(Err(Error::InvalidTxnState)),
            },
        )
    }

    /// All markers are in their partitions, durably: the transaction is over. Anything else than the
    /// end that is now being done is ignored, such as the same one again.
    ///
    /// # Errors
    /// It could not be written down, and is not over: call again after a while.
    pub fn markers_written(
        &mut self,
        outside: &mut Context,
        written: &WriteMarkers,
    ) -> Result<(), Error> {
        let Some(id) = &written.transactional_id else {
            self.hanging.remove(&written.producer);
            return Ok(());
        };
        let Some(transaction) = self.ids.get(id) else {
            return Ok(());
        };
        let mut metadata = transaction.metadata.clone();
        let is_this = metadata.producer == written.producer
            && metadata.state.prepared() == Some(written.is_commit);
        if !is_this {
            return Ok(());
        }
        let last_epoch = transaction.last_epoch;
        metadata.complete(written.is_commit);
        self.change(outside, id, metadata, last_epoch)
    }
}

impl Metadata {
    fn complete(&mut self, is_commit: bool) {
        self.state = match is_commit {
            true => State::CompleteCommit,
            false => State::CompleteAbort,
        };
        self.partitions.clear();
        if self.next_producer_id != -1 {
            self.previous_producer_id = self.producer.id;
            self.producer = self.successor();
            self.next_producer_id = -1;
        }
    }
}

fn prepared(is_commit: bool) -> State {
    match is_commit {
        true => State::PrepareCommit,
        false => State::PrepareAbort,
    }
}
