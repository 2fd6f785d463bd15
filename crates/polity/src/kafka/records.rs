//! The bytes of a fetch to the records that count: whole batches, of transactions that committed.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use bytes::Bytes;
use kafka_protocol::messages::fetch_response::AbortedTransaction;
use kafka_protocol::records::{Record, RecordBatchDecoder};

use super::compression::decompress;

/// What stands before a batch's length: its offset.
const OFFSET_SIZE: usize = 8;

/// What of a batch its length does not count: the offset and the length itself.
const UNCOUNTED: usize = 12;

/// Where a batch says how far its last offset is from its first.
const LAST_OFFSET_DELTA: usize = 23;

/// Where the records of a batch begin.
const HEADER_SIZE: usize = 61;

/// The bytes of a control record's key up to its type, and the type of one that ends in abort.
const CONTROL_KEY: usize = 4;
const ABORT: i16 = 0;

/// The records in `data` from `from` on, and the offset after the last batch. The last batch may be
/// cut off, and is left for the next fetch.
pub fn read(
    mut data: Bytes,
    from: i64,
    mut aborted: Vec<AbortedTransaction>,
) -> Result<(Vec<Record>, i64)> {
    aborted.sort_by_key(|transaction| transaction.first_offset);
    let mut aborted = aborted.into_iter().peekable();
    let mut aborting = BTreeSet::new();
    let (mut records, mut next) = (Vec::new(), from);
    while let Some(mut batch) = take_batch(&mut data) {
        next = next.max(end_of(&batch).context("a batch without a header")?);
        let decompressed = Some(|data: &mut Bytes, compression| decompress(data, compression));
        let batch = RecordBatchDecoder::decode_with_custom_compression(&mut batch, decompressed)?;
        for record in batch.records {
            while let Some(begun) = aborted.next_if(|begun| begun.first_offset <= record.offset) {
                aborting.insert(begun.producer_id.0);
            }
            if record.control {
                if is_abort(&record) {
                    aborting.remove(&record.producer_id);
                }
                continue;
            }
            let is_aborted = record.transactional && aborting.contains(&record.producer_id);
            if record.offset >= from && !is_aborted {
                records.push(record);
            }
        }
    }
    Ok((records, next))
}

fn take_batch(data: &mut Bytes) -> Option<Bytes> {
    let length = data.get(OFFSET_SIZE..UNCOUNTED)?;
    let length = i32::from_be_bytes(length.try_into().ok()?);
    let size = usize::try_from(length).ok()?.checked_add(UNCOUNTED)?;
    (HEADER_SIZE <= size && size <= data.len()).then(|| data.split_to(size))
}

/// The offset after a batch, which compaction may have left without its last record.
fn end_of(batch: &[u8]) -> Option<i64> {
    let base = i64::from_be_bytes(batch.get(..OFFSET_SIZE)?.try_into().ok()?);
    let delta = batch.get(LAST_OFFSET_DELTA..LAST_OFFSET_DELTA + 4)?;
    let delta = i32::from_be_bytes(delta.try_into().ok()?);
    base.checked_add(i64::from(delta))?.checked_add(1)
}

fn is_abort(record: &Record) -> bool {
    let key = record.key.as_deref().unwrap_or_default();
    let kind = key
        .get(2..CONTROL_KEY)
        .and_then(|kind| kind.try_into().ok());
    kind.map(i16::from_be_bytes) == Some(ABORT)
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
