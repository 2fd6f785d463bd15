//! Compacting a partition's full segments, one after the other.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::{Partition, lock};
use crate::batch::Header;
use crate::compaction::{Keys, Rewriter, Rules, is_aborted};
use crate::config::TopicConfig;
use crate::disk::{Disk, read_small, write_atomically};
use crate::id::Offset;
use crate::segment::{Aborted, Segment, Verified};

#[cfg(test)]
#[path = "compact_tests.rs"]
mod tests;

/// Up to where it was compacted: an offset and its checksum. That it is there says that there may be gaps.
const COMPACTED: &str = "compacted-offset";
const COMPACTED_FILE: usize = 12;

/// Where segments are written anew.
const CLEANING: &str = "cleaning";

impl<D: Disk> Partition<D> {
    /// Compacts, if enough has come since the last time.
    pub(crate) fn compact(&self, config: &TopicConfig, now_ms: i64) -> io::Result<()> {
        let _one = lock(&self.removing);
        let disk = &self.shared.files.disk;
        let clean = read_compacted(disk, &self.folder).unwrap_or(Offset::ZERO);
        let segments = self.cleanable();
        let size = |from: Offset| -> u64 {
            let counted = segments.iter().filter(|it| it.base >= from);
            counted.map(|it| u64::from(it.size())).sum()
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
        write_compacted(disk, &self.folder, clean)?;
        let horizon_ms = now_ms.saturating_sub(config.delete_retention_ms);
        let mut rewriter = Rewriter::new(Rules {
            keys: &keys,
            aborted: &aborted,
            clean,
            horizon_ms,
        });
        for segment in segments.iter().take_while(|segment| segment.base < end) {
            self.clean(segment, &mut rewriter, config)?;
        }
        write_compacted(disk, &self.folder, end)
    }

    /// Segments that are full, durable, and in no open transaction.
    fn cleanable(&self) -> Vec<Arc<Segment<D>>> {
        let vouched = lock(&self.checkpointed).map_or(Offset::ZERO, |at| at.segment);
        let end = vouched.min(self.offsets().last_stable);
        self.with_segments(|segments| {
            let ended = segments.windows(2).take_while(|pair| pair[1].base <= end);
            ended.map(|pair| pair[0].clone()).collect()
        })
    }

    fn aborted_in(&self, segments: &[Arc<Segment<D>>]) -> io::Result<Vec<Aborted>> {
        let first = segments
            .first()
            .map_or(Offset::ZERO, |segment| segment.base);
        let mut aborted = Vec::new();
        // The marker of a transaction may be in a later segment.
        for segment in self.segments_from(first, Offset(i64::MAX)) {
            aborted.extend(segment.aborted.all()?);
        }
        Ok(aborted)
    }

    /// Writes a segment anew and puts it in the place of the old one.
    fn clean(
        &self,
        old: &Arc<Segment<D>>,
        rewriter: &mut Rewriter<'_>,
        config: &TopicConfig,
    ) -> io::Result<()> {
        let (files, folder) = (&self.shared.files, self.folder.join(CLEANING));
        files.disk.create_folder(&folder)?;
        let new = Segment::create(files, &folder, old.base).map_err(|failure| failure.error)?;
        let mut result = Ok(());
        let mut end = old.base;
        let verified = old.verify(0, old.size(), |header, _, batch| {
            end = in_order(old, end, header)?;
            if result.is_ok()
                && let Some(kept) = rewriter.rewrite(header, batch)
            {
                let header = Header {
                    length: kept.len(),
                    ..*header
                };
                let appended = new.append(&header, [&kept, &[]], config.index_interval_bytes);
                result = appended.map_err(|failure| failure.error);
            }
            Ok(())
        })?;
        result?;
        refuse_damaged(verified)?;
        if new.size() == old.size() {
            return files.disk.remove_folder(&folder);
        }
        new.finish()?;
        new.sync()?;
        new.sync_indexes()?;
        self.replace(old, &new)?;
        files.disk.remove_folder(&folder)
    }

    /// Each file takes the old one's name in one step. After a crash between, an index may be the old one:
    /// it is found out when it is used.
    fn replace(&self, old: &Arc<Segment<D>>, new: &Segment<D>) -> io::Result<()> {
        let disk = &self.shared.files.disk;
        // Who has found something in the old one reads it from the old file.
        old.pin()?;
        for (from, to) in new.paths().into_iter().zip(old.paths()).take(3) {
            disk.rename(from, to)?;
        }
        disk.sync_folder(&self.folder)?;
        let [offsets, times] = new.index_entries();
        let (offsets, times) = (u64::from(offsets) * 8, u64::from(times) * 12);
        let aborted = old.aborted.length();
        let lengths = [u64::from(new.size()), offsets, times, aborted];
        let replaced = Segment::adopt(&self.shared.files, &self.folder, old.base, lengths)?;
        replaced.mark_finished();
        let mut segments = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = segments.iter_mut().find(|segment| segment.base == old.base) {
            *place = Arc::new(replaced);
        }
        Ok(())
    }
}

/// Notes the last record that counts of each key from `clean` on, and up to where there was room for it.
fn note_keys<D: Disk>(
    segments: &[Arc<Segment<D>>],
    aborted: &[Aborted],
    clean: Offset,
    config: &TopicConfig,
    now_ms: i64,
) -> io::Result<(Keys, Offset)> {
    let mut keys = Keys::default();
    let mut end = clean;
    for segment in segments.iter().filter(|segment| segment.base >= clean) {
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

fn path(folder: &Path) -> PathBuf {
    folder.join(COMPACTED)
}

fn write_compacted<D: Disk>(disk: &D, folder: &Path, offset: Offset) -> io::Result<()> {
    let offset = offset.0.to_be_bytes();
    let checksum = crc32c::crc32c(&offset).to_be_bytes();
    write_atomically(disk, &path(folder), &[&offset[..], &checksum].concat())
}

/// Up to where a partition was compacted; None if never, or nobody knows.
fn read_compacted<D: Disk>(disk: &D, folder: &Path) -> Option<Offset> {
    let bytes = read_small(disk, &path(folder), COMPACTED_FILE).ok()??;
    let (offset, checksum) = bytes.split_first_chunk::<8>()?;
    let is_right = crc32c::crc32c(offset).to_be_bytes() == *checksum;
    is_right.then_some(Offset(i64::from_be_bytes(*offset)))
}

/// Whether a partition was ever compacted, and so may have gaps.
pub(super) fn has_gaps<D: Disk>(disk: &D, folder: &Path) -> bool {
    disk.open(&path(folder)).is_ok()
}
