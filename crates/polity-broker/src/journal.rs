//! The internal topics that coordinators write what they must remember to.
//!
//! A coordinator appends before it changes its own state, and changes nothing when the append fails;
//! so what a replay gives and what is in memory cannot differ. An append need not be durable when it
//! returns, but **an answer may go out only when all that stood in the journal at the time of the
//! answer is durable**, whether or not the answer appended anything itself: it may tell of a change
//! that another request has just made.

pub mod fields;
#[cfg(test)]
pub(crate) mod memory;

use bytes::Bytes;

/// One record of an internal topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the record is about; compaction keeps the last of each.
    pub key: Bytes,
    /// What is true of it from now on; `None` is a tombstone: nothing any more.
    pub value: Option<Bytes>,
}

/// Who a producer is to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerIdentity {
    /// The producer id.
    pub id: i64,
    /// Its epoch: of two that claim the id, the higher one is right.
    pub epoch: i16,
}

/// What is appended in one piece: after a crash all of it is there, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The producer of the transaction that the records are part of, if any: they count from its
    /// commit marker on.
    pub producer: Option<ProducerIdentity>,
    /// The records, at least one.
    pub entries: Vec<Entry>,
}

/// Why nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log refuses writes for now: a full disk, or one that failed.
    #[error("the internal topic cannot be written to at present")]
    Unavailable,
    /// The batch is over what the log takes in one piece.
    #[error("the records are larger than one batch may be")]
    TooLarge,
}

/// An internal topic's partition, to append to.
pub trait Journal {
    /// Appends the batch with a create time of now, and gives its first record's offset.
    ///
    /// # Errors
    /// Nothing has been appended.
    fn append(&mut self, batch: Batch) -> Result<i64, AppendError>;
}

impl Batch {
    /// Records that count as soon as they are in the log.
    pub fn plain(entries: Vec<Entry>) -> Self {
        Self {
            producer: None,
            entries,
        }
    }
}
