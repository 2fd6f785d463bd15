//! Record batches of magic 2, Kafka's format on the wire and on disk.
//!
//! A batch is kept as the producer made it. What the log writes into it (its offset and the leader's
//! epoch) stands before what the checksum covers, so nothing inside has to be read, let alone
//! decompressed, to store or to send it.

mod builder;
mod compression;
mod control;
mod header;
mod keys;
mod record;
mod varint;

pub use builder::BatchBuilder;
pub(crate) use builder::seal;
pub(crate) use compression::compress;
pub use compression::decompress;
pub use control::{ControlRecord, Outcome};
pub use header::{Attributes, Compression, HEADER, Header, MIN_PREFIX, TimestampType};
pub(crate) use header::{PATCHED, checksum_with, sequence_after};
pub(crate) use keys::have_keys;
pub use record::{Record, RecordHeader, Records};

/// Why bytes are not a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than a header has, or than the header says there are.
    #[error("the batch is cut off: {has} bytes of {needs}")]
    Short {
        /// How many are there.
        has: usize,
        /// How many there should be.
        needs: usize,
    },
    /// The length does not even cover a header, or is negative.
    #[error("a batch cannot be {0} bytes long")]
    Length(i32),
    /// An older format, or none at all.
    #[error(
        "magic {0} is not supported; only record batches of magic 2 are, of Kafka 0.11 and later"
    )]
    Magic(i8),
    /// The checksum is not that of the bytes.
    #[error("the checksum is {found:08x} where the batch says {stated:08x}")]
    Checksum {
        /// What the bytes give.
        found: u32,
        /// What the header says.
        stated: u32,
    },
    /// The number of records and the last offset do not belong together.
    #[error("the batch counts {count} records, and its last offset is its first plus {last_delta}")]
    Count {
        /// Records, as the header says.
        count: i32,
        /// The last offset less the first.
        last_delta: i32,
    },
    /// More bytes than those of one batch.
    #[error("{0} bytes follow the batch; a partition takes one batch in a request")]
    Trailing(usize),
    /// Attributes that contradict each other or what they are used for.
    #[error("{0}")]
    Attributes(&'static str),
    /// Something inside a record is not as it must be.
    #[error("a record is malformed: {0}")]
    Record(&'static str),
}
