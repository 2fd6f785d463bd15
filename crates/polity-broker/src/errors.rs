//! What the log's errors are called in the protocol.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use polity_log::batch::BatchError;
use polity_log::{AppendError, ConfigError, ReadError, TopicError};

/// An error as clients get it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: i16,
    /// For people.
    pub(crate) message: Option<StrBytes>,
}

impl Failure {
    /// The protocol's own words are enough.
    pub(crate) fn plain(error: ResponseError) -> Self {
        Self {
            code: error.code(),
            message: None,
        }
    }

    /// Says more than the code does.
    pub(crate) fn because(error: ResponseError, why: impl ToString) -> Self {
        Self {
            code: error.code(),
            message: Some(StrBytes::from_string(why.to_string())),
        }
    }
}

impl From<ResponseError> for Failure {
    fn from(error: ResponseError) -> Self {
        Self::plain(error)
    }
}

impl From<&AppendError> for Failure {
    fn from(error: &AppendError) -> Self {
        use ResponseError as E;
        let code = match error {
            AppendError::Batch(BatchError::Magic(_)) => E::UnsupportedForMessageFormat,
            AppendError::Batch(BatchError::Trailing(_)) => E::InvalidRecord,
            AppendError::Batch(_) => E::CorruptMessage,
            AppendError::Invalid(_) => E::InvalidRecord,
            AppendError::TooLarge { .. } => E::MessageTooLarge,
            AppendError::Timestamp { .. } => E::InvalidTimestamp,
            AppendError::Sequence { .. } => E::OutOfOrderSequenceNumber,
            AppendError::Fenced { .. } => E::InvalidProducerEpoch,
            AppendError::Transaction(_) => E::InvalidTxnState,
            AppendError::Coordinator { .. } => E::TransactionCoordinatorFenced,
            // Both may be tried again: there may be room, or a broker with another disk, by then.
            AppendError::DiskFull
            | AppendError::Exhausted(_)
            | AppendError::Poisoned(_)
            | AppendError::Closed => E::KafkaStorageError,
            AppendError::Deleted => E::UnknownTopicOrPartition,
        };
        Self::because(code, error)
    }
}

impl From<&ReadError> for Failure {
    fn from(error: &ReadError) -> Self {
        let code = match error {
            ReadError::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
            ReadError::Deleted => ResponseError::UnknownTopicOrPartition,
            ReadError::Io(_) => ResponseError::KafkaStorageError,
        };
        Self::because(code, error)
    }
}

impl From<&TopicError> for Failure {
    fn from(error: &TopicError) -> Self {
        let code = match error {
            TopicError::Exists(_) => ResponseError::TopicAlreadyExists,
            TopicError::Unknown(_) => ResponseError::UnknownTopicOrPartition,
            TopicError::Partitions { .. } => ResponseError::InvalidPartitions,
            TopicError::Full { .. } => ResponseError::PolicyViolation,
            TopicError::Io(_) | TopicError::Poisoned(_) => ResponseError::KafkaStorageError,
        };
        Self::because(code, error)
    }
}

impl From<&ConfigError> for Failure {
    fn from(error: &ConfigError) -> Self {
        Self::because(ResponseError::InvalidConfig, error)
    }
}
