//! Compacting a partition's full segments, one after the other.

mod replace;

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Partition;
use super::offset_file::OffsetFile;
use crate::batch::Header;
use crate::compaction::{Keys, Rewriter, Rules, is_aborted};
use crate::config::TopicConfig;
use crate::disk::Disk;
use crate::id::Offset;
use crate::segment::{Aborted, Segment, Verified};

#[cfg(test)]
#[path = "compact_tests.rs"]
mod tests;

pub(super) use replace::{end_replacing, is_replacing, remove_replaced};

/// Up to where it was compacted. That it is there says that there may be gaps.
const COMPACTED: OffsetFile = OffsetFile("compacted-offset");

/// A segment that nothing is appended to any more, and where the next one begins.
struct Full<D: Disk> {
    segment: Arc<Segment<D>>,
    end: Offset,
}

impl<D: Disk> Partition<D> {
    /// Compacts, if enough has come since the last time.
    pub(crate) fn compact(&self, config: &TopicConfig, now_ms: i64) -> io::Result<()> {
        let Some(_one) = self.begin_removing() else {
            return Ok(());
        };
        if self.shared.poison.get().is_some() {
            return Ok(());
        }
        let disk = &self.shared.files.disk;
        let clean = COMPACTED.read(disk, &self.folder)?.unwrap_or(Offset::ZERO);
        let mut segments = self.cleanable();
        let size = |from: Offset| -> u64 {
            let counted = segments.iter().filter(|it| it.segment.base >= from);
            counted.map(|it| u64::from(it.segment.size())).sum()
        };
        let dirty = size(clean);
        if dirty == 0
            || (dirty as f64) < config.min_cleanable_dirty_ratio * size(Offset::ZERO) as f64
        {
            return Ok(());
        }
        let aborted = self.aborted_in(&segments)?;
        let (keys, end) = note_keys(&segments, &aborted, clean, config, now_ms)?;
        if end <= clean {
            return Ok(());
        }
        // Before the first gap: a start must not take one for the end.
        COMPACTED.write(disk, &self.folder, clean)?;
        let horizon_ms = now_ms.saturating_sub(config.delete_retention_ms);
        let mut rewriter = Rewriter::new(Rules {
            keys: &keys,
            aborted: &aborted,
            clean,
            horizon_ms,
        });
        segments.retain(|it| it.segment.base < end);
        for group in replace::groups(segments, config.segment_bytes) {
            self.clean(&group, &mut rewriter, config)?;
        }
        COMPACTED.write(disk, &self.folder, end)
    }

    /// Segments that are full, durable, and in no open transaction.
    fn cleanable(&self) -> Vec<Full<D>> {
        let vouched = self.vouched().map_or(Offset::ZERO, |at| at.segment);
        let limit = vouched.min(self.offsets().last_stable);
        let segments = self.segments();
        let full = segments.windows(2).map_while(|pair| match pair {
            [segment, next] => Some(Full {
                segment: segment.clone(),
                end: next.base,
            }),
            _ => None,
        });
        full.take_while(|it| it.end <= limit).collect()
    }

    fn aborted_in(&self, segments: &[Full<D>]) -> io::Result<Vec<Aborted>> {
        let first = segments.first().map_or(Offset::ZERO, |it| it.segment.base);
        let mut aborted = Vec::new();
        // The marker of a transaction may be in a later segment.
        for segment in self.segments_from(first, Offset(i64::MAX)) {
            aborted.extend(segment.aborted.all()?);
        }
        Ok(aborted)
    }
}

/// Notes the last record that counts of each key from `clean` on, and up to where there was room for it.
fn note_keys<D: Disk>(
    segments: &[Full<D>],
    aborted: &[Aborted],
    clean: Offset,
    config: &TopicConfig,
    now_ms: i64,
) -> io::Result<(Keys, Offset)> {
    let mut keys = Keys::default();
    let mut end = clean;
    let segments = segments.iter().map(|it| &it.segment);
    for segment in segments.filter(|segment| segment.base >= clean) {
        let is_young =
            now_ms.saturating_sub(segment.largest_timestamp_ms()?) < config.min_compaction_lag_ms;
        if is_young {
            break;
        }
        let mut last = segment.base;
        let mut has_room = true;
        let verified = segment.verify(0, segment.size(), |header, _, batch| {
            if !is_aborted(aborted, header) {
                has_room &= keys.note(header, batch);
            }
            last = in_order(segment, last, header)?;
            Ok(())
        })?;
        refuse_damaged(verified)?;
        end = last;
        if !has_room {
            break;
        }
    }
    Ok((keys, end))
}

/// Where a batch ends, if it may stand there: its checksum does not cover its offset.
fn in_order<D: Disk>(segment: &Segment<D>, end: Offset, header: &Header) -> Result<Offset, String> {
    let (first, last) = (header.base_offset, header.last_offset());
    match first >= end && last.0 - segment.base.0 <= i64::from(i32::MAX) {
        true => Ok(last.next()),
        false => Err(format!("offset {first} comes after {end}")),
    }
}

/// A segment that is damaged is left as it is, with all that can still be read of it.
fn refuse_damaged(verified: Verified) -> io::Result<()> {
    match verified.why {
        Some(why) => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
        None => Ok(()),
    }
}

/// Whether a partition was ever compacted, and so may have gaps.
pub(super) fn has_gaps<D: Disk>(disk: &D, folder: &Path) -> io::Result<bool> {
    COMPACTED.is_there(disk, folder)
}
