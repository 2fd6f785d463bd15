//! Record batches of magic 2, made and looked through.

use anyhow::{Context, ensure};

/// Bytes before the records.
const HEADER: usize = 61;
/// Bytes before those that the length counts.
const PREFIX: usize = 12;
const CHECKSUM: usize = 17;
/// What the checksum covers begins here.
const COVERED: usize = 21;
const LAST_DELTA: usize = 23;
const SEQUENCE: usize = 53;
const MAGIC: i8 = 2;
/// Of a value that says when it was due.
const STAMP: usize = 8;

/// Who an idempotent producer is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Producer {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// A batch of records without keys.
pub(super) fn batch<'a>(
    producer: Producer,
    timestamp_ms: i64,
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let mut count = 0;
    for value in values {
        record(&mut bytes, count, value);
        count += 1;
    }
    let length = (bytes.len() - PREFIX) as i32;
    let mut header = Vec::with_capacity(HEADER);
    header.extend(0_i64.to_be_bytes()); // Base offset: the broker's to say.
    header.extend(length.to_be_bytes());
    header.extend((-1_i32).to_be_bytes()); // Leader epoch: likewise.
    header.extend(MAGIC.to_be_bytes());
    header.extend(0_u32.to_be_bytes());
    header.extend(0_i16.to_be_bytes()); // No compression, the producer's time.
    header.extend((count - 1).to_be_bytes());
    header.extend(timestamp_ms.to_be_bytes());
    header.extend(timestamp_ms.to_be_bytes());
    header.extend(producer.id.to_be_bytes());
    header.extend(producer.epoch.to_be_bytes());
    header.extend((-1_i32).to_be_bytes());
    header.extend(count.to_be_bytes());
    bytes[..HEADER].copy_from_slice(&header);
    bytes
}

/// Gives a batch its sequence number and its checksum.
pub(super) fn sign(batch: &mut [u8], sequence: i32) {
    batch[SEQUENCE..SEQUENCE + 4].copy_from_slice(&sequence.to_be_bytes());
    let checksum = crc32c::crc32c(&batch[COVERED..]);
    batch[CHECKSUM..CHECKSUM + 4].copy_from_slice(&checksum.to_be_bytes());
}

/// How many records with values of so many bytes a batch of `most` bytes has; one at least.
pub(super) fn records_within(most: usize, value_bytes: usize) -> usize {
    let mut room = most.saturating_sub(HEADER);
    let value = vec![0; value_bytes];
    for count in 0.. {
        let mut bytes = Vec::new();
        record(&mut bytes, count, &value);
        if bytes.len() > room {
            return usize::try_from(count).unwrap_or(0).max(1);
        }
        room -= bytes.len();
    }
    1
}

fn record(bytes: &mut Vec<u8>, offset_delta: i32, value: &[u8]) {
    let mut record = Vec::with_capacity(value.len() + 16);
    record.push(0); // Attributes.
    varint(&mut record, 0); // Of time.
    varint(&mut record, i64::from(offset_delta));
    varint(&mut record, -1); // No key.
    varint(&mut record, value.len() as i64);
    record.extend_from_slice(value);
    varint(&mut record, 0); // No headers.
    varint(bytes, record.len() as i64);
    bytes.append(&mut record);
}

fn varint(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<i64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1) as i64 ^ -((number & 1) as i64));
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

/// One batch that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) base_offset: i64,
    pub(super) records: i64,
    bytes: &'a [u8],
}

/// The batches that are whole in what a fetch gave: the last one may be cut off.
pub(super) fn batches(mut bytes: &[u8]) -> impl Iterator<Item = Batch<'_>> {
    std::iter::from_fn(move || {
        let length = i32::from_be_bytes(*bytes.get(8..)?.first_chunk()?);
        let length = usize::try_from(length).ok()? + PREFIX;
        let batch = bytes.get(..length).filter(|it| it.len() >= HEADER)?;
        bytes = &bytes[length..];
        let last = i32::from_be_bytes(*batch[LAST_DELTA..].first_chunk()?);
        Some(Batch {
            base_offset: i64::from_be_bytes(*batch.first_chunk()?),
            records: i64::from(last) + 1,
            bytes: batch,
        })
    })
}

impl Batch<'_> {
    /// Its bytes, the header with them.
    pub(super) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// When each of its records was due, which their values begin with.
    pub(super) fn stamps(&self) -> anyhow::Result<Vec<u64>> {
        let mut rest = &self.bytes[HEADER..];
        let mut stamps = Vec::with_capacity(usize::try_from(self.records)?);
        for _ in 0..self.records {
            let length = read_varint(&mut rest).context("a record has no length")?;
            let (mut record, after) = rest
                .split_at_checked(usize::try_from(length)?)
                .context("a record is cut off")?;
            rest = after;
            record = record.get(1..).context("a record is empty")?;
            for _field in ["time", "offset", "key", "value"] {
                read_varint(&mut record).context("a record is cut off")?;
            }
            let stamp = record.first_chunk::<STAMP>();
            stamps.push(u64::from_be_bytes(*stamp.context("a record has no time")?));
        }
        ensure!(rest.is_empty(), "a batch has more than its records");
        Ok(stamps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: Producer = Producer { id: 7, epoch: 0 };

    #[test]
    fn what_was_made_is_found_again_and_what_is_cut_off_is_not() {
        let value = |due: u64| [due.to_be_bytes().as_slice(), &[1; 300]].concat();
        let values = [value(5), value(1 << 40)];
        let one = batch(PRODUCER, 0, values.iter().map(Vec::as_slice));
        let two = [one.clone(), one.clone()].concat();
        let found: Vec<Batch<'_>> = batches(&two[..two.len() - 1]).collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].base_offset, found[0].records), (0, 2));
        assert_eq!(found[0].stamps().expect("both are there"), [5, 1 << 40]);
    }

    #[test]
    fn as_many_records_as_go_into_a_batch_are_put_into_it() {
        let values = vec![vec![0; 1024]; records_within(65_536, 1024)];
        let full = batch(PRODUCER, 0, values.iter().map(Vec::as_slice));
        assert!((64_000..=65_536).contains(&full.len()), "{}", full.len());
        assert_eq!(records_within(0, 100), 1);
    }

    #[test]
    fn the_checksum_is_that_of_the_protocol() {
        let mut one = batch(PRODUCER, 0, [b"a".as_slice()]);
        sign(&mut one, 3);
        assert_eq!(one[SEQUENCE..SEQUENCE + 4], [0, 0, 0, 3]);
        let before = one[CHECKSUM..CHECKSUM + 4].to_vec();
        sign(&mut one, 4);
        assert_ne!(before, one[CHECKSUM..CHECKSUM + 4]);
    }
}
