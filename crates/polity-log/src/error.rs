//! What can go wrong, and whether trying again can help.

use std::io;
use std::path::{Path, PathBuf};

use polity_core::TopicName;

use crate::batch::BatchError;
use crate::id::{Offset, ProducerEpoch, ProducerId};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct IoError {
    /// What on.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl IoError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self {
            path: path.to_owned(),
            source,
        }
    }
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk does not do as asked.
    #[error("cannot open the log: {0}")]
    Io(#[from] IoError),
    /// What a topic is, is not readable. Its records may be well.
    #[error("cannot open the log: {} is damaged ({why}); put back a copy of it, or move it and the topic's folders away", path.display())]
    Topic {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// All of a partition is missing.
    #[error("cannot open the log: {} is missing; put it back, or make an empty folder of that name for the partition to begin anew", folder.display())]
    Partition {
        /// Where it was.
        folder: PathBuf,
    },
    /// A file is not what a segment can be.
    #[error("cannot open the log: {} {why}", path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Why a batch was not appended. Nothing of it is in the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The bytes are not one whole batch (CORRUPT_MESSAGE, or UNSUPPORTED_FOR_MESSAGE_FORMAT for an
    /// older magic).
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// What the batch says of itself cannot be (INVALID_RECORD).
    #[error("{0}")]
    Invalid(&'static str),
    /// More bytes than the topic takes (MESSAGE_TOO_LARGE).
    #[error("the batch has {size} bytes, and {most} are the most (max.message.bytes)")]
    TooLarge {
        /// The batch's.
        size: usize,
        /// The topic's.
        most: usize,
    },
    /// Too far from the broker's time (INVALID_TIMESTAMP).
    #[error("the timestamp {timestamp_ms} is further from the broker's time than the topic allows")]
    Timestamp {
        /// Milliseconds since 1970.
        timestamp_ms: i64,
    },
    /// Not the next of its producer (OUT_OF_ORDER_SEQUENCE_NUMBER).
    #[error("producer {} sent sequence {got} where {expected} is next", producer.0)]
    Sequence {
        /// Whose.
        producer: ProducerId,
        /// Its first.
        got: i32,
        /// What would follow.
        expected: i32,
    },
    /// The producer began again under a higher epoch (INVALID_PRODUCER_EPOCH).
    #[error("producer {} has epoch {}, and {} is its latest", producer.0, got.0, latest.0)]
    Fenced {
        /// Whose.
        producer: ProducerId,
        /// The batch's.
        got: ProducerEpoch,
        /// The latest.
        latest: ProducerEpoch,
    },
    /// A batch outside of its producer's open transaction (INVALID_TXN_STATE).
    #[error("{0}")]
    Transaction(&'static str),
    /// A marker of a coordinator that has been replaced (TRANSACTION_COORDINATOR_FENCED).
    #[error("a marker came from coordinator epoch {got}, and {latest} is the latest")]
    Coordinator {
        /// The marker's.
        got: i32,
        /// The latest.
        latest: i32,
    },
    /// There is no room. It may be tried again (KAFKA_STORAGE_ERROR, or a retriable one).
    #[error("the disk is full")]
    DiskFull,
    /// There are no more file descriptors, or no memory for one. Nothing was written; it may be tried again.
    #[error("the system has no room for another open file, raise `ulimit -n`: {0}")]
    Exhausted(String),
    /// The disk failed before: nothing is written until the log is opened anew (KAFKA_STORAGE_ERROR).
    #[error(
        "the log takes no more writes since its disk failed: {0}; mend the disk and start again"
    )]
    Poisoned(String),
    /// The topic was deleted (UNKNOWN_TOPIC_OR_PARTITION).
    #[error("the topic is deleted")]
    Deleted,
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Records that are gone, or not there yet (OFFSET_OUT_OF_RANGE).
    #[error("offset {offset} is not within {start} and {end}")]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The first there is.
        start: Offset,
        /// Where the next record goes.
        end: Offset,
    },
    /// The topic was deleted (UNKNOWN_TOPIC_OR_PARTITION); there may be another of its name.
    #[error("the topic is deleted")]
    Deleted,
    /// The disk does not do as asked (KAFKA_STORAGE_ERROR).
    #[error("cannot read: {0}")]
    Io(#[from] IoError),
}

/// Why a topic was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// There is one (TOPIC_ALREADY_EXISTS).
    #[error("the topic {0} exists")]
    Exists(TopicName),
    /// There is none (UNKNOWN_TOPIC_OR_PARTITION).
    #[error("there is no topic {0}")]
    Unknown(TopicName),
    /// None, fewer than before, or more than there may be (INVALID_PARTITIONS).
    #[error("a topic cannot have {asked} partitions here: {least} to {most} can be")]
    Partitions {
        /// How many were asked for.
        asked: u32,
        /// How many there must be.
        least: u32,
        /// How many there may be.
        most: u32,
    },
    /// All topics together would have too many (POLICY_VIOLATION).
    #[error(
        "there is no room for {more} more partitions: all topics have {has}, and {most} are the most; delete some"
    )]
    Full {
        /// How many were asked for.
        more: u32,
        /// How many there are.
        has: u32,
        /// How many there may be.
        most: u32,
    },
    /// The disk does not do as asked.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The disk failed before.
    #[error(
        "the log takes no more writes since its disk failed: {0}; mend the disk and start again"
    )]
    Poisoned(String),
}
