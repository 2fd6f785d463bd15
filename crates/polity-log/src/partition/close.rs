//! Checkpoints: written when a segment is full and when the log is closed, so that a start has little
//! to verify.

use std::io;
use std::path::PathBuf;

use super::{CLOSED, Mark, Partition, lock};
use crate::checkpoint::{CHECKPOINT, Checkpoint};
use crate::disk::Disk;
use crate::id::Offset;
use crate::segment;

/// What the checkpoint on the disk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vouched {
    at: Mark,
    start: Offset,
}

impl Vouched {
    pub(super) fn by(checkpoint: &Checkpoint) -> Self {
        let (at, start) = (checkpoint.at, checkpoint.start);
        Self { at, start }
    }
}

impl<D: Disk> Partition<D> {
    /// Takes no more appends, and makes a checkpoint at the end, so that the next start verifies nothing.
    pub(crate) fn close(&self) {
        self.enter(CLOSED);
        self.flush();
        if self.shared.poison.get().is_some() {
            return;
        }
        let close = || {
            let writer = lock(&self.writer);
            let end = writer.mark();
            // What has nothing in it, or nothing new, is as quickly opened without.
            let start = self.bounds().start;
            let is_old =
                lock(&self.checkpointed).is_some_and(|it| it == Vouched { at: end, start });
            if end.offset == Offset::ZERO || is_old {
                return Ok(());
            }
            writer.active.finish()?;
            self.write_checkpoint(&self.checkpoint(&writer))
        };
        if let Err(error) = close() {
            tracing::warn!("{self:?} will be verified at the next start: {error}");
        }
    }

    /// Writes the checkpoint that waits, if all before it is durable.
    pub(super) fn checkpoint_if_due(&self, durable: Offset) {
        let due = lock(&self.checkpoint).take_if(|checkpoint| checkpoint.at.offset <= durable);
        if let Some(checkpoint) = due
            && let Err(error) = self.write_checkpoint(&checkpoint)
        {
            // The one before still holds, and this one can be tried again.
            lock(&self.checkpoint).get_or_insert(checkpoint);
            tracing::warn!("a start will verify more of {self:?}: {error}");
        }
    }

    fn write_checkpoint(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let disk = &self.shared.files.disk;
        let at = checkpoint.at;
        let since = self.vouched().map_or(Offset::ZERO, |at| at.segment);
        for segment in self.segments_from(since, at.segment) {
            segment.sync_indexes()?;
        }
        checkpoint.write(disk, &self.checkpoint_path(at.offset))?;
        for entry in disk.list(&self.folder)? {
            let offset = segment::parse_name(&entry.name, CHECKPOINT);
            if offset.is_some_and(|offset| offset < at.offset) {
                disk.remove(&self.folder.join(&entry.name))?;
            }
        }
        *lock(&self.checkpointed) = Some(Vouched::by(checkpoint));
        Ok(())
    }

    /// Up to where there is a checkpoint.
    pub(super) fn vouched(&self) -> Option<Mark> {
        lock(&self.checkpointed).map(|it| it.at)
    }

    pub(super) fn checkpoint_path(&self, offset: Offset) -> PathBuf {
        self.folder.join(segment::name(offset, CHECKPOINT))
    }
}
