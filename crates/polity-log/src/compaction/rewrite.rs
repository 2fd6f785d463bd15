//! A batch without the records that are outdated.

use std::collections::HashSet;

use super::{Keys, plain};
use crate::batch::{
    Compression, ControlRecord, HEADER, Header, Outcome, Record, Records, compress, seal,
};
use crate::id::{Offset, ProducerId};
use crate::segment::Aborted;

/// What may go.
pub(crate) struct Rules<'a> {
    pub(crate) keys: &'a Keys,
    /// Transactions of which nothing counts.
    pub(crate) aborted: &'a [Aborted],
    /// All before it was compacted before, so that what tombstones are about is gone.
    pub(crate) clean: Offset,
    /// Tombstones and commits that old may go.
    pub(crate) horizon_ms: i64,
}

/// Takes a partition's batches in order, from the first, and knows what of those before still needs a later one.
pub(crate) struct Rewriter<'a> {
    rules: Rules<'a>,
    /// Producers of whose transaction something was kept, and whose commit has not come.
    uncommitted: HashSet<ProducerId>,
    /// Something was kept without a look at its keys.
    has_unknown_keys: bool,
}

impl<'a> Rewriter<'a> {
    pub(crate) fn new(rules: Rules<'a>) -> Self {
        Self {
            rules,
            uncommitted: HashSet::new(),
            has_unknown_keys: false,
        }
    }

    /// The batch as it is to be kept; None where nothing is left of it.
    pub(crate) fn rewrite(&mut self, header: &Header, batch: &[u8]) -> Option<Vec<u8>> {
        if header.attributes.is_control() {
            return (!self.may_marker_go(header, batch)).then(|| batch.to_vec());
        }
        if is_aborted(self.rules.aborted, header) {
            return None;
        }
        let kept = self.rewrite_records(header, batch)?;
        if header.attributes.is_transactional() {
            self.uncommitted.insert(header.producer_id);
        }
        Some(kept)
    }

    fn may_marker_go(&mut self, header: &Header, batch: &[u8]) -> bool {
        is_commit(header, batch)
            && !self.uncommitted.remove(&header.producer_id)
            && self.is_past(header)
    }

    fn rewrite_records(&mut self, header: &Header, batch: &[u8]) -> Option<Vec<u8>> {
        let plain = plain(header, batch);
        let records = plain.as_ref().and_then(|plain| {
            Records::new(plain, header.count)
                .collect::<Result<Vec<_>, _>>()
                .ok()
        });
        let Some(records) = records else {
            // It was taken as it is, and is kept as it is.
            self.has_unknown_keys = true;
            return Some(batch.to_vec());
        };
        let may_tombstones_go = self.is_past(header) && !self.has_unknown_keys;
        let is_kept = |record: &&Record<'_>| {
            let Some(key) = record.key else { return true };
            let is_outdated = self.rules.keys.is_outdated(key, record.offset(header));
            !(is_outdated || record.value.is_none() && may_tombstones_go)
        };
        let kept: Vec<_> = records.iter().filter(is_kept).collect();
        match kept.len() {
            0 => None,
            all if all == records.len() => Some(batch.to_vec()),
            _ => {
                let rewritten = with_records(header, &kept);
                // An outdated value that stays may be what a later tombstone is about.
                self.has_unknown_keys |= rewritten.is_none();
                Some(rewritten.unwrap_or_else(|| batch.to_vec()))
            }
        }
    }

    fn is_past(&self, header: &Header) -> bool {
        header.last_offset() < self.rules.clean && header.max_timestamp_ms < self.rules.horizon_ms
    }
}

/// Whether nothing of a batch counts.
pub(crate) fn is_aborted(aborted: &[Aborted], header: &Header) -> bool {
    let at = header.base_offset;
    let is_of =
        |it: &Aborted| it.producer_id == header.producer_id && it.first <= at && at < it.last;
    header.attributes.is_transactional() && aborted.iter().any(is_of)
}

fn is_commit(header: &Header, batch: &[u8]) -> bool {
    let record = Records::of(header, batch).map(|mut records| records.next());
    let Ok(Some(Ok(record))) = record else {
        return false;
    };
    let marker = ControlRecord::parse(&record);
    matches!(marker, Ok(Some(it)) if it.outcome == Outcome::Commit)
}

/// The batch with these of its records, compressed as it was. Its offsets, times and sequence numbers stay those of the
/// whole. None where that cannot be.
fn with_records(header: &Header, records: &[&Record<'_>]) -> Option<Vec<u8>> {
    let records_bytes = || records.iter().map(|record| record.bytes());
    let mut bytes = vec![0; HEADER];
    match header.attributes.compression()? {
        Compression::None => records_bytes().for_each(|it| bytes.extend_from_slice(it)),
        compression => {
            let plain: Vec<u8> = records_bytes().flatten().copied().collect();
            bytes.extend(compress(compression, &plain).ok()?);
        }
    }
    // Fewer records may take more bytes, compressed by another's code.
    let is_smaller = bytes.len() < header.length;
    let header = Header {
        count: records.len() as i32,
        length: bytes.len(),
        ..*header
    };
    seal(header, &mut bytes);
    is_smaller.then_some(bytes)
}
