//! A batch without the records that are outdated.

use super::Keys;
use crate::batch::{Compression, HEADER, Header, Record, Records, seal};
use crate::id::Offset;
use crate::segment::Aborted;

/// What may go.
pub(crate) struct Rules<'a> {
    pub(crate) keys: &'a Keys,
    /// Transactions of which nothing counts.
    pub(crate) aborted: &'a [Aborted],
    /// All before it was compacted before, so that what tombstones and markers are about is gone.
    pub(crate) clean: Offset,
    /// Tombstones and markers that old may go.
    pub(crate) horizon_ms: i64,
}

/// The batch as it is to be kept; None where nothing is left of it.
pub(crate) fn rewrite(rules: &Rules<'_>, header: &Header, batch: &[u8]) -> Option<Vec<u8>> {
    let is_past = header.last_offset() < rules.clean && header.max_timestamp_ms < rules.horizon_ms;
    if header.attributes.is_control() {
        return (!is_past).then(|| batch.to_vec());
    }
    if header.attributes.is_transactional() && rules.is_aborted(header) {
        return None;
    }
    if header.attributes.compression() != Some(Compression::None) {
        return Some(batch.to_vec());
    }
    let Ok(records) =
        Records::of(header, batch).and_then(|records| records.collect::<Result<Vec<_>, _>>())
    else {
        // It was taken as it is, and is kept as it is.
        return Some(batch.to_vec());
    };
    let is_kept = |record: &&Record<'_>| {
        let Some(key) = record.key else { return true };
        let is_tombstone = record.value.is_none();
        !(rules.keys.is_outdated(key, record.offset(header)) || is_tombstone && is_past)
    };
    let kept: Vec<_> = records.iter().filter(is_kept).collect();
    match kept.len() {
        0 => None,
        all if all == records.len() => Some(batch.to_vec()),
        count => {
            let mut bytes = vec![0; HEADER];
            kept.iter()
                .for_each(|record| bytes.extend_from_slice(record.bytes()));
            // Its offsets, times and sequence numbers stay those of the whole.
            let header = Header {
                count: count as i32,
                length: bytes.len(),
                ..*header
            };
            seal(header, &mut bytes);
            Some(bytes)
        }
    }
}

impl Rules<'_> {
    fn is_aborted(&self, header: &Header) -> bool {
        let at = header.base_offset;
        let is_of =
            |it: &Aborted| it.producer_id == header.producer_id && it.first <= at && at < it.last;
        self.aborted.iter().any(is_of)
    }
}
