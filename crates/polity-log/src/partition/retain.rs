//! What time, size and users take away: records from the beginning.
//!
//! The offset at which a partition begins is written before anything is removed, so that after a crash
//! nothing comes back, and no hole is left where files went in another order than they should have.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::offset_file::OffsetFile;
use super::{Mark, Partition, lock};
use crate::config::TopicConfig;
use crate::disk::{Disk, is_full};
use crate::error::{IoError, ReadError};
use crate::id::Offset;
use crate::segment::{NO_TIMESTAMP, Segment};

#[cfg(test)]
#[path = "retain_tests.rs"]
mod tests;

/// After this long a producer does not send again what it sent before (Kafka's
/// `producer.id.expiration.ms`).
const PRODUCER_EXPIRATION_MS: i64 = 24 * 60 * 60 * 1000;

/// Where a partition begins.
const START: OffsetFile = OffsetFile("start-offset");

impl<D: Disk> Partition<D> {
    /// Removes the records before an offset, or all that count, for good.
    ///
    /// Returns where the partition begins now.
    ///
    /// # Errors
    ///
    /// Where the offset is beyond what counts, or the disk fails.
    pub fn delete_records(&self, before: Option<Offset>) -> Result<Offset, ReadError> {
        // What is to begin there must not be lost to a power cut itself.
        self.flush();
        if let Some(why) = self.shared.poison.get() {
            let error = io::Error::other(why.to_owned());
            return Err(IoError::at(&self.folder)(error).into());
        }
        let offsets = self.offsets();
        let before = before.unwrap_or(offsets.high_watermark);
        if before < Offset::ZERO || before > offsets.high_watermark {
            let (start, end) = (offsets.start, offsets.high_watermark);
            return Err(ReadError::OutOfRange {
                offset: before,
                start,
                end,
            });
        }
        self.begin_at(before, false)?;
        Ok(self.offsets().start)
    }

    /// Does what time makes due.
    pub(crate) fn housekeep(self: &Arc<Self>) {
        let now_ms = self.now_ms();
        let mut writer = lock(&self.writer);
        writer
            .producers
            .expire(now_ms.saturating_sub(PRODUCER_EXPIRATION_MS));
        writer.count_producers();
        drop(writer);
        // With the checkpoint that waits, if one does: there may be room for it now.
        self.flush();
        let config = self.config();
        let retained = match config.cleanup.delete {
            true => self.retain(&config, now_ms),
            false => Ok(()),
        };
        let compacted = retained.and_then(|()| match config.cleanup.compact {
            true => self
                .compact(&config, now_ms)
                .map_err(IoError::at(&self.folder)),
            false => Ok(()),
        });
        let removed = compacted.and_then(|()| {
            let Some(_one) = self.begin_removing() else {
                return Ok(());
            };
            self.remove_gone()
        });
        if let Err(error) = removed {
            tracing::warn!("cannot remove what is too old of {self:?}: {error}");
        }
    }

    fn retain(self: &Arc<Self>, config: &TopicConfig, now_ms: i64) -> Result<(), IoError> {
        self.roll_if_old(config, now_ms)?;
        let start = self
            .retained(config, now_ms)
            .map_err(IoError::at(&self.folder))?;
        start.map_or(Ok(()), |start| self.begin_at(start, true))
    }

    /// What is appended to can only go once something else is.
    fn roll_if_old(self: &Arc<Self>, config: &TopicConfig, now_ms: i64) -> Result<(), IoError> {
        let mut writer = lock(&self.writer);
        let active = &writer.active;
        let is_old = is_old(active, config, now_ms).map_err(IoError::at(active.path()))?;
        if is_old && active.size() > 0 && self.refuse_if_closed().is_ok() {
            // Why it failed has been said, or it will be tried again.
            let _ = self.roll(&mut writer);
        }
        Ok(())
    }

    /// Where the partition is to begin, by its age and its size.
    fn retained(&self, config: &TopicConfig, now_ms: i64) -> io::Result<Option<Offset>> {
        let segments = self.segments();
        let last_stable = self.offsets().last_stable;
        let mut size: u64 = segments
            .iter()
            .map(|segment| u64::from(segment.size()))
            .sum();
        let mut start = None;
        for pair in segments.windows(2) {
            let [segment, next] = pair else { break };
            size -= u64::from(segment.size());
            let is_too_much = config.retention_bytes.is_some_and(|most| size >= most);
            // Compaction may have left nothing in it, which then has no age.
            let is_empty = segment.size() == 0;
            let may_go = is_empty || is_too_much || is_old(segment, config, now_ms)?;
            // What does not count, and what a transaction may still need, stays.
            if next.base > last_stable || !may_go {
                break;
            }
            start = Some(next.base);
        }
        Ok(start)
    }

    /// Has the partition begin at an offset. Where there is no room to write that down and `or_unwritten`,
    /// it is done all the same: it makes room, and a start finds it by the files that are left.
    fn begin_at(&self, start: Offset, or_unwritten: bool) -> Result<(), IoError> {
        let Some(_one) = self.begin_removing() else {
            return Ok(());
        };
        if start <= self.offsets().start {
            return Ok(());
        }
        match START.write(&self.shared.files.disk, &self.folder, start) {
            Err(error) if or_unwritten && is_full(&error) => {}
            written => written.map_err(IoError::at(&self.folder))?,
        }
        self.bounds().start = start;
        self.remove_gone()
    }

    /// Removes the segments before the start, as far as a checkpoint has what follows from them: else a
    /// start would not know the producers whose batches were in them.
    fn remove_gone(&self) -> Result<(), IoError> {
        let vouched = self.vouched().map_or(Offset::ZERO, |at| at.segment);
        let start = self.offsets().start.min(vouched);
        let removed: Vec<_> = self.change_segments(|segments| {
            let gone = before_start(segments, start);
            segments.drain(..gone).collect()
        });
        for segment in removed {
            segment.remove().map_err(IoError::at(segment.path()))?;
        }
        Ok(())
    }
}

/// Whether the last of its records is too old.
fn is_old<D: Disk>(segment: &Segment<D>, config: &TopicConfig, now_ms: i64) -> io::Result<bool> {
    let Some(retention_ms) = config.retention_ms else {
        return Ok(false);
    };
    let largest = segment.largest_timestamp_ms()?;
    Ok(largest != NO_TIMESTAMP && now_ms.saturating_sub(largest) > retention_ms)
}

/// Where the partition was told to begin; None if never, or nobody knows.
pub(super) fn read_start<D: Disk>(disk: &D, folder: &Path) -> io::Result<Option<Offset>> {
    START.read(disk, folder)
}

/// How many of the first segments have nothing from `start` on.
pub(super) fn before_start<D: Disk>(segments: &[Arc<Segment<D>>], start: Offset) -> usize {
    segments
        .partition_point(|segment| segment.base <= start)
        .saturating_sub(1)
}

/// A start that is not beyond the end: with [`Durability::Os`](super::Durability::Os) a power cut may have
/// taken more than was removed.
pub(super) fn clamp(start: Option<Offset>, first: Offset, end: Mark) -> Offset {
    start.map_or(first, |start| start.clamp(first, end.offset.max(first)))
}
