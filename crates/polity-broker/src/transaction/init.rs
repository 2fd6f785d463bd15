//! InitProducerId: a producer gets its id and an epoch that fences whoever had the id before.

use smol_str::SmolStr;

use super::coordinator::{Context, Coordinator, Transaction, validate_id};
use super::error::Error;
use super::metadata::{Metadata, State, is_exhausted};
use crate::journal::ProducerIdentity;

/// An InitProducerId request of a transactional producer.
#[derive(Debug, Clone)]
pub struct InitProducerId {
    /// The transactional id.
    pub transactional_id: SmolStr,
    /// How long its transactions may take.
    pub timeout_ms: i32,
    /// Who the producer is so far (v3): it wants to go on with a new epoch after an error. Nobody who
    /// has been fenced may.
    pub current: Option<ProducerIdentity>,
}

impl Coordinator {
    /// An id for a producer without transactions.
    ///
    /// # Errors
    /// None can be reserved; try again.
    pub fn new_producer(&mut self, outside: &mut Context) -> Result<ProducerIdentity, Error> {
        let id = self.producer_ids.next(outside.id_blocks)?;
        Ok(ProducerIdentity { id, epoch: 0 })
    }

    /// The producer as it is to call itself from now on.
    ///
    /// # Errors
    /// `ConcurrentTransactions`: the transaction before is being ended, perhaps from now on; try again.
    pub fn init_producer(
        &mut self,
        outside: &mut Context,
        request: &InitProducerId,
    ) -> Result<ProducerIdentity, Error> {
        let id = &request.transactional_id;
        validate_id(id)?;
        let max_ms = i32::try_from(self.settings.max_timeout.as_millis()).unwrap_or(i32::MAX);
        if request.timeout_ms <= 0 || request.timeout_ms > max_ms {
            return Err(Error::InvalidTransactionTimeout);
        }
        let Some(transaction) = self.ids.get(id).cloned() else {
            return self.first_producer(outside, request);
        };
        match transaction.metadata.state {
            State::Dead => Err(Error::CoordinatorNotAvailable),
            State::PrepareCommit | State::PrepareAbort => Err(Error::ConcurrentTransactions),
            State::Ongoing => {
                transaction.may_continue(request.current)?;
                self.fence(outside, id, transaction.metadata)?;
                Err(Error::ConcurrentTransactions)
            }
            State::Empty | State::CompleteCommit | State::CompleteAbort => {
                let epoch = transaction.may_continue(request.current)?;
                self.next_producer(outside, request, transaction, epoch)
            }
        }
    }

    fn first_producer(
        &mut self,
        outside: &mut Context,
        request: &InitProducerId,
    ) -> Result<ProducerIdentity, Error> {
        if self.ids.len() >= self.settings.max_ids {
            return Err(Error::TooManyIds);
        }
        let producer = self.new_producer(outside)?;
        let metadata = Metadata {
            producer,
            previous_producer_id: -1,
            next_producer_id: -1,
            client_version: 0,
            timeout_ms: request.timeout_ms,
            state: State::Empty,
            partitions: Default::default(),
            updated_at_ms: 0,
            started_at_ms: -1,
        };
        self.bear(&request.transactional_id, &metadata)?;
        self.change(outside, &request.transactional_id, metadata, -1)?;
        Ok(producer)
    }

    fn next_producer(
        &mut self,
        outside: &mut Context,
        request: &InitProducerId,
        before: Transaction,
        allowed: Allowed,
    ) -> Result<ProducerIdentity, Error> {
        let mut metadata = before.metadata;
        let (epoch, mut last_epoch) = (metadata.producer.epoch, before.last_epoch);
        // The last epoch was for fencing only, and is given to nobody.
        if allowed != Allowed::Repeated || epoch == i16::MAX {
            last_epoch = match allowed {
                Allowed::New => -1,
                Allowed::Known => epoch,
                Allowed::Repeated => last_epoch,
            };
            if is_exhausted(epoch) {
                metadata.previous_producer_id = metadata.producer.id;
                metadata.producer = self.new_producer(outside)?;
            } else {
                metadata.producer.epoch = epoch + 1;
            }
        }
        metadata.state = State::Empty;
        metadata.next_producer_id = -1;
        metadata.started_at_ms = -1;
        metadata.timeout_ms = request.timeout_ms;
        let producer = metadata.producer;
        self.change(outside, &request.transactional_id, metadata, last_epoch)?;
        Ok(producer)
    }

    /// Aborts what goes on under an epoch that nobody was given, so that nobody can add to it.
    pub(super) fn fence(
        &mut self,
        outside: &mut Context,
        id: &SmolStr,
        mut metadata: Metadata,
    ) -> Result<(), Error> {
        let last_epoch = metadata.producer.epoch;
        metadata.producer.epoch = last_epoch.saturating_add(1);
        metadata.state = State::PrepareAbort;
        self.change(outside, id, metadata, last_epoch)
    }
}

/// Why a producer may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// It does not say who it was: a new one, which takes over.
    New,
    /// It is the one that may go on.
    Known,
    /// It has not heard of the epoch it has been given.
    Repeated,
}

impl Transaction {
    fn may_continue(&self, current: Option<ProducerIdentity>) -> Result<Allowed, Error> {
        let Some(current) = current else {
            return Ok(Allowed::New);
        };
        let now = self.metadata.producer;
        let is_last_of_previous =
            current.id == self.metadata.previous_producer_id && is_exhausted(current.epoch);
        if current == now {
            Ok(Allowed::Known)
        } else if self.last_epoch >= 0
            && current.epoch == self.last_epoch
            && (current.id == now.id || is_last_of_previous)
        {
            Ok(Allowed::Repeated)
        } else {
            Err(Error::ProducerFenced)
        }
    }
}
