//! What a transaction coordinator refuses, and Kafka's code for each.

use crate::journal::AppendError;

/// Why a request of a producer was not done. Unless said otherwise nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// The internal topic refuses writes: try again.
    #[error("the transaction coordinator cannot write at present; try again")]
    CoordinatorNotAvailable,
    /// What would have to be written down is larger than one batch may be.
    #[error("the transaction has too many partitions to be written down in one batch")]
    RecordTooLarge,
    /// An empty or over-long transactional id.
    #[error("a transactional id must have between 1 and 1024 bytes")]
    InvalidRequest,
    /// As many transactional ids as there may be.
    #[error("there are as many transactional ids as there may be")]
    TooManyIds,
    /// As much memory is taken as may be.
    #[error(
        "transactions take as much memory as they may; end some, or use fewer transactional ids"
    )]
    TooMuchMemory,
    /// What was asked for is not possible where the transaction stands.
    #[error("the transaction is not in a state for that")]
    InvalidTxnState,
    /// The transactional id does not belong to that producer id.
    #[error("the producer id is not the transactional id's")]
    InvalidProducerIdMapping,
    /// A timeout of nothing, or over the limit.
    #[error("the transaction timeout is outside the broker's limits")]
    InvalidTransactionTimeout,
    /// The transaction before is still being ended: try again.
    #[error("the transaction before is still being ended; try again")]
    ConcurrentTransactions,
    /// Another producer has taken over. Versions that do not know the code (InitProducerId before v4,
    /// the others before v2) are sent `INVALID_PRODUCER_EPOCH`, 47, instead.
    #[error("another producer uses this transactional id")]
    ProducerFenced,
    /// No producer has that transactional id.
    #[error("there is no such transactional id")]
    TransactionalIdNotFound,
    /// The partition is not in the transaction (KIP-890): the producer should abort and go on.
    #[error("the partition is not in the transaction; abort it")]
    TransactionAbortable,
}

impl Error {
    /// The error code of Kafka's protocol.
    pub fn code(self) -> i16 {
        match self {
            Self::RecordTooLarge => -1,
            Self::CoordinatorNotAvailable => 15,
            Self::InvalidRequest => 42,
            Self::TooManyIds | Self::TooMuchMemory => 44,
            Self::InvalidTxnState => 48,
            Self::InvalidProducerIdMapping => 49,
            Self::InvalidTransactionTimeout => 50,
            Self::ConcurrentTransactions => 51,
            Self::ProducerFenced => 90,
            Self::TransactionalIdNotFound => 105,
            Self::TransactionAbortable => 120,
        }
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Unavailable => Self::CoordinatorNotAvailable,
            AppendError::TooLarge => Self::RecordTooLarge,
        }
    }
}
