//! The records inside a batch that is not compressed, one by one and without a copy.

use super::{BatchError, Compression, Header, varint};
use crate::id::Offset;

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;

/// One record, as it stands in its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset less the batch's first.
    pub offset_delta: i32,
    /// Its timestamp less the batch's base, in milliseconds.
    pub timestamp_delta_ms: i64,
    /// What compaction keeps the last of; None if it has none.
    pub key: Option<&'a [u8]>,
    /// None is a tombstone.
    pub value: Option<&'a [u8]>,
    headers: &'a [u8],
    header_count: i32,
    bytes: &'a [u8],
}

/// A name and a value beside a record's own; a name may come more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// Kafka says UTF-8; nothing here relies on it.
    pub key: &'a [u8],
    /// None is null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// All of it, its length included.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its headers in order, those of equal name included.
    pub fn headers(&self) -> impl Iterator<Item = Result<RecordHeader<'a>, BatchError>> {
        let (mut rest, mut left) = (self.headers, self.header_count);
        std::iter::from_fn(move || {
            left = left.checked_sub(1).filter(|left| *left >= 0)?;
            let header = take_header(&mut rest);
            if header.is_err() {
                left = 0;
            }
            Some(header)
        })
    }

    /// Its offset in the partition.
    pub fn offset(&self, batch: &Header) -> Offset {
        batch.base_offset.plus(i64::from(self.offset_delta))
    }

    /// Milliseconds since 1970.
    pub fn timestamp_ms(&self, batch: &Header) -> i64 {
        match batch.attributes.timestamp_type() {
            super::TimestampType::CreateTime => batch
                .base_timestamp_ms
                .saturating_add(self.timestamp_delta_ms),
            super::TimestampType::LogAppendTime => batch.max_timestamp_ms,
        }
    }
}

/// The records of a batch. Ends after the first that is malformed, and after as many as the header
/// counts.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    left: i32,
}

impl<'a> Records<'a> {
    /// The records of one whole batch.
    ///
    /// # Errors
    ///
    /// Where it is compressed, or its bytes are not all there.
    pub fn of(header: &Header, batch: &'a [u8]) -> Result<Self, BatchError> {
        if header.attributes.compression() != Some(Compression::None) {
            return Err(BatchError::Attributes("the batch is compressed"));
        }
        let rest = batch
            .get(super::HEADER..header.length)
            .ok_or(BatchError::Short {
                has: batch.len(),
                needs: header.length,
            })?;
        Ok(Self::new(rest, header.count))
    }

    /// `count` records in what stood after a header, decompressed.
    pub fn new(bytes: &'a [u8], count: i32) -> Self {
        Self {
            rest: bytes,
            left: count,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &[];
            return Some(Err(BatchError::Record("there are more than are counted")));
        }
        self.left -= 1;
        let record = take_record(&mut self.rest);
        if record.is_err() {
            (self.rest, self.left) = (&[], 0);
        }
        Some(record)
    }
}

fn take_record<'a>(bytes: &mut &'a [u8]) -> Result<Record<'a>, BatchError> {
    let all = *bytes;
    let length = varint::take_int(bytes)?;
    let length =
        usize::try_from(length).map_err(|_| BatchError::Record("its length is negative"))?;
    let mut body = take(bytes, length)?;
    take(&mut body, 1)?; // Attributes, of which none is in use.
    let timestamp_delta_ms = varint::take_long(&mut body)?;
    let offset_delta = varint::take_int(&mut body)?;
    let key = take_bytes(&mut body)?;
    let value = take_bytes(&mut body)?;
    let header_count = varint::take_int(&mut body)?;
    if header_count < 0 {
        return Err(BatchError::Record("the number of headers is negative"));
    }
    let headers = body;
    for _ in 0..header_count {
        take_header(&mut body)?;
    }
    if !body.is_empty() {
        return Err(BatchError::Record("it is longer than its parts"));
    }
    let bytes = all.get(..all.len() - bytes.len()).unwrap_or_default();
    Ok(Record {
        offset_delta,
        timestamp_delta_ms,
        key,
        value,
        headers,
        header_count,
        bytes,
    })
}

fn take_header<'a>(bytes: &mut &'a [u8]) -> Result<RecordHeader<'a>, BatchError> {
    let key = take_bytes(bytes)?.ok_or(BatchError::Record("a header has no key"))?;
    Ok(RecordHeader {
        key,
        value: take_bytes(bytes)?,
    })
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BatchError> {
    match varint::take_int(bytes)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) => take(bytes, length).map(Some),
            Err(_) => Err(BatchError::Record("a length is negative")),
        },
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], BatchError> {
    let (head, rest) = bytes
        .split_at_checked(length)
        .ok_or(BatchError::Record("a length goes beyond the end"))?;
    *bytes = rest;
    Ok(head)
}
