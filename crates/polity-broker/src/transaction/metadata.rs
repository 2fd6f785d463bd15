//! What is remembered of a transactional id.

use std::collections::BTreeSet;

use crate::group::TopicPartition;
use crate::journal::ProducerIdentity;

/// Where a transaction stands. The numbers are those of Kafka's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum State {
    /// A producer is there and has not begun.
    Empty = 0,
    /// It has begun.
    Ongoing = 1,
    /// It will be committed; markers are being written.
    PrepareCommit = 2,
    /// It will be aborted; markers are being written.
    PrepareAbort = 3,
    /// It is committed.
    CompleteCommit = 4,
    /// It is aborted.
    CompleteAbort = 5,
    /// The transactional id is expiring.
    Dead = 6,
}

impl State {
    /// Its name in DescribeTransactions and ListTransactions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
        }
    }

    pub(super) fn from_number(number: i8) -> Option<Self> {
        Some(match number {
            0 => Self::Empty,
            1 => Self::Ongoing,
            2 => Self::PrepareCommit,
            3 => Self::PrepareAbort,
            4 => Self::CompleteCommit,
            5 => Self::CompleteAbort,
            6 => Self::Dead,
            _ => return None,
        })
    }

    /// What is being done to the transaction, if it is being ended: whether it is a commit.
    pub(super) fn prepared(self) -> Option<bool> {
        match self {
            Self::PrepareCommit => Some(true),
            Self::PrepareAbort => Some(false),
            _ => None,
        }
    }

    /// What has been done to the last transaction, if it is over.
    pub(super) fn completed(self) -> Option<bool> {
        match self {
            Self::CompleteCommit => Some(true),
            Self::CompleteAbort => Some(false),
            _ => None,
        }
    }
}

/// A transactional id's producer and transaction, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The producer that may go on.
    pub producer: ProducerIdentity,
    /// The producer id before this one, whose epochs were used up; -1 for none.
    pub previous_producer_id: i64,
    /// The producer id from the end of this transaction on, where the epochs are used up; -1 for none.
    pub next_producer_id: i64,
    /// 2 if the producer gets a new epoch for each transaction (KIP-890), else 0.
    pub client_version: i16,
    /// How long a transaction may take.
    pub timeout_ms: i32,
    /// Where it stands.
    pub state: State,
    /// Where it has written, the offsets of groups among them; none but from Ongoing to Prepare*.
    pub partitions: BTreeSet<TopicPartition>,
    /// Of the last change, in ms since the Unix epoch.
    pub updated_at_ms: i64,
    /// When the transaction began, in ms since the Unix epoch; -1 if none has.
    pub started_at_ms: i64,
}

/// The last epoch is kept for fencing: no producer gets it.
pub(super) fn is_exhausted(epoch: i16) -> bool {
    epoch >= i16::MAX - 1
}

impl Metadata {
    /// The producer as it is known to others after this transaction: the same one with the epoch of
    /// its markers, or, where epochs are used up, another.
    pub(super) fn successor(&self) -> ProducerIdentity {
        match self.next_producer_id {
            -1 => self.producer,
            id => ProducerIdentity { id, epoch: 0 },
        }
    }
}
