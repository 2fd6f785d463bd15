//! The 61 bytes before the records of a batch.

use super::BatchError;
use crate::id::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;

/// Bytes of a header.
pub const HEADER: usize = 61;

/// Bytes up to and with the length, which tell where the next batch begins.
pub const MIN_PREFIX: usize = 12;

/// The bytes that are the log's to write: base offset, length and leader epoch.
pub(crate) const PATCHED: usize = 16;

/// Where what the checksum covers begins.
pub(crate) const CHECKED: usize = 21;

const MAGIC: i8 = 2;

/// The header of a batch, its fields as they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Of the first record.
    pub base_offset: Offset,
    /// Of the whole batch in bytes, the twelve before the length's end included.
    pub length: usize,
    /// Of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of all from the attributes on.
    pub checksum: u32,
    /// Compression, and what kind of batch it is.
    pub attributes: Attributes,
    /// The last record's offset less the first's.
    pub last_offset_delta: i32,
    /// Milliseconds since 1970; the records' are relative to it.
    pub base_timestamp_ms: i64,
    /// The latest of its records, or when it was appended, by its timestamp type.
    pub max_timestamp_ms: i64,
    /// Or [`ProducerId::NONE`].
    pub producer_id: ProducerId,
    /// Or -1.
    pub producer_epoch: ProducerEpoch,
    /// The first record's sequence number, or -1.
    pub base_sequence: i32,
    /// How many records it says it has.
    pub count: i32,
}

/// How the records of a batch are compressed, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy, in the framing of the Java library.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// RFC 8878.
    Zstd,
}

#[cfg(any(test, feature = "simulation"))]
impl Compression {
    /// What stands for it in a batch's attributes.
    pub(crate) fn number(self) -> i16 {
        let is_it = |number: &i16| Attributes(*number).compression() == Some(self);
        (0..=Attributes::COMPRESSION).find(is_it).unwrap_or(0)
    }
}

/// Whose clock the timestamps are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer's, for each record.
    #[default]
    CreateTime,
    /// The broker's, one for the batch.
    LogAppendTime,
}

/// The flags of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const COMPRESSION: i16 = 0b111;
    pub(crate) const APPEND_TIME: i16 = 1 << 3;
    pub(crate) const TRANSACTIONAL: i16 = 1 << 4;
    pub(crate) const CONTROL: i16 = 1 << 5;
    pub(crate) const DELETE_HORIZON: i16 = 1 << 6;

    /// None where the number stands for no codec.
    pub fn compression(self) -> Option<Compression> {
        match self.0 & Self::COMPRESSION {
            0 => Some(Compression::None),
            1 => Some(Compression::Gzip),
            2 => Some(Compression::Snappy),
            3 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Whose clock the timestamps are of.
    pub fn timestamp_type(self) -> TimestampType {
        match self.0 & Self::APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// Whether it is part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether it is a marker of the broker's, not for consumers.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp says when compaction may drop its tombstones.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }
}

impl std::fmt::Debug for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#09b}", self.0)
    }
}

impl Header {
    /// Reads the header at the beginning of `bytes`. What follows it need not be there.
    ///
    /// # Errors
    ///
    /// Where that is no header of magic 2, or its length covers less than itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        // Older formats are shorter but have their magic in the same place.
        if let Some(&magic) = bytes.get(16)
            && magic as i8 != MAGIC
        {
            return Err(BatchError::Magic(magic as i8));
        }
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(BatchError::Short {
            has: bytes.len(),
            needs: HEADER,
        })?;
        let stated = i32_at(header, 8);
        let length = usize::try_from(stated).map_or(0, |rest| rest + MIN_PREFIX);
        if length < HEADER {
            return Err(BatchError::Length(stated));
        }
        Ok(Self {
            base_offset: Offset(i64_at(header, 0)),
            length,
            leader_epoch: LeaderEpoch(i32_at(header, 12)),
            checksum: i32_at(header, 17) as u32,
            attributes: Attributes(i16_at(header, 21)),
            last_offset_delta: i32_at(header, 23),
            base_timestamp_ms: i64_at(header, 27),
            max_timestamp_ms: i64_at(header, 35),
            producer_id: ProducerId(i64_at(header, 43)),
            producer_epoch: ProducerEpoch(i16_at(header, 51)),
            base_sequence: i32_at(header, 53),
            count: i32_at(header, 57),
        })
    }

    /// Reads the header of a batch that is all there, and checks its checksum.
    ///
    /// # Errors
    ///
    /// As of [`Header::parse`], and where the batch is cut off or is not what was checksummed.
    pub fn parse_checked(bytes: &[u8]) -> Result<Self, BatchError> {
        let header = Self::parse(bytes)?;
        let batch = bytes.get(..header.length).ok_or(BatchError::Short {
            has: bytes.len(),
            needs: header.length,
        })?;
        let found = crc32c::crc32c(batch.get(CHECKED..).unwrap_or_default());
        if found != header.checksum {
            let stated = header.checksum;
            return Err(BatchError::Checksum { found, stated });
        }
        Ok(header)
    }

    /// The bytes it stands for.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut rest = bytes.as_mut_slice();
        let length = (self.length - MIN_PREFIX) as i32;
        put(&mut rest, self.base_offset.0.to_be_bytes());
        put(&mut rest, length.to_be_bytes());
        put(&mut rest, self.leader_epoch.0.to_be_bytes());
        put(&mut rest, MAGIC.to_be_bytes());
        put(&mut rest, self.checksum.to_be_bytes());
        put(&mut rest, self.attributes.0.to_be_bytes());
        put(&mut rest, self.last_offset_delta.to_be_bytes());
        put(&mut rest, self.base_timestamp_ms.to_be_bytes());
        put(&mut rest, self.max_timestamp_ms.to_be_bytes());
        put(&mut rest, self.producer_id.0.to_be_bytes());
        put(&mut rest, self.producer_epoch.0.to_be_bytes());
        put(&mut rest, self.base_sequence.to_be_bytes());
        put(&mut rest, self.count.to_be_bytes());
        bytes
    }

    /// Of the last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The last record's sequence number, which wraps to 0 after the largest there is.
    pub fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }

    /// Whether a producer with an id wrote it.
    pub fn is_idempotent(&self) -> bool {
        self.producer_id != ProducerId::NONE
    }
}

/// The sequence number that many records later: 0 comes after `i32::MAX`.
pub(crate) fn sequence_after(sequence: i32, records: i32) -> i32 {
    match sequence.checked_add(records) {
        Some(sum) => sum,
        None => records - (i32::MAX - sequence) - 1,
    }
}

fn put<const N: usize>(rest: &mut &mut [u8], value: [u8; N]) {
    if let Some((head, tail)) = std::mem::take(rest).split_first_chunk_mut::<N>() {
        *head = value;
        *rest = tail;
    }
}

fn at<const N: usize>(bytes: &[u8; HEADER], from: usize) -> [u8; N] {
    let field = bytes.get(from..).and_then(<[u8]>::first_chunk);
    *field.expect("every field lies in the header")
}

fn i16_at(bytes: &[u8; HEADER], from: usize) -> i16 {
    i16::from_be_bytes(at(bytes, from))
}

fn i32_at(bytes: &[u8; HEADER], from: usize) -> i32 {
    i32::from_be_bytes(at(bytes, from))
}

fn i64_at(bytes: &[u8; HEADER], from: usize) -> i64 {
    i64::from_be_bytes(at(bytes, from))
}

/// The checksum of a batch whose header was changed from `before` to `now`, without reading its records
/// again.
pub(crate) fn checksum_with(now: &Header, before: &Header, batch: &[u8]) -> u32 {
    let covered = |header: &Header| crc32c::crc32c(&header.encode()[CHECKED..]);
    let records = batch.len().saturating_sub(HEADER);
    // The checksum is linear: the difference that a head makes does not depend on what follows it.
    let shift = |head| crc32c::crc32c_combine(head, 0, records);
    before.checksum ^ shift(covered(before)) ^ shift(covered(now))
}
