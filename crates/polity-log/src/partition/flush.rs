//! Making what was appended durable, and waiting for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use super::{CLOSED, DELETED, Durability, Partition, lock};
use crate::disk::Disk;
use crate::error::{AppendError, IoError};
use crate::id::Offset;
use crate::watch::Watch;

/// What a partition is to the queue of those to flush.
#[derive(Debug, Default)]
pub(super) struct State {
    one: Mutex<()>,
    pub(super) stage: AtomicU8,
}

impl<D: Disk> Partition<D> {
    /// Makes durable what has been appended so far.
    pub(crate) fn flush(&self) {
        let _one = lock(&self.flush.one);
        let is_over = || self.shared.poison.get().is_some() || self.stage() == DELETED;
        // Its files may have been taken away meanwhile.
        if !is_over()
            && let Err(error) = self.sync()
            && !is_over()
        {
            let why = format!("cannot make it durable: {error}");
            self.shared.poison.set(why);
        }
        self.watchers.wake();
    }

    fn sync(&self) -> Result<(), IoError> {
        let (durable, end) = {
            let bounds = self.bounds();
            (bounds.durable, bounds.end)
        };
        if durable == end {
            self.checkpoint_if_due(durable.offset);
            return Ok(());
        }
        // After the end was read: the name of every segment up to there has been marked before.
        let is_folder_dirty = self.is_folder_dirty.swap(false, Ordering::AcqRel);
        // From the segment where it ended, though it may be durable to its end: a write that failed for want
        // of room may have made it longer for a moment.
        for segment in self.segments_from(durable.segment, end.segment) {
            segment.sync().map_err(IoError::at(segment.path()))?;
        }
        if is_folder_dirty {
            let folder = &self.folder;
            self.shared
                .files
                .disk
                .sync_folder(folder)
                .map_err(IoError::at(folder))?;
        }
        let mut bounds = self.bounds();
        bounds.durable = end;
        bounds.settle(self.shared.durability);
        drop(bounds);
        self.checkpoint_if_due(end.offset);
        Ok(())
    }

    /// Waits until a record counts: the high watermark is beyond it.
    ///
    /// # Errors
    ///
    /// Where it never will: the disk failed, or the topic was deleted.
    pub fn committed(self: &Arc<Self>, last: Offset) -> Committed<D> {
        Committed {
            partition: self.clone(),
            last,
            watch: None,
        }
    }

    fn is_committed(&self, last: Offset) -> Option<Result<(), AppendError>> {
        if self.offsets().high_watermark > last {
            return Some(Ok(()));
        }
        match self.stage() {
            DELETED => return Some(Err(AppendError::Deleted)),
            CLOSED => return Some(Err(AppendError::Closed)),
            _ => {}
        }
        // What the operating system has is there, whatever the disk does.
        let why = self.shared.poison.get()?;
        (self.shared.durability == Durability::Fsync)
            .then(|| Err(AppendError::Poisoned(why.to_owned())))
    }

    pub(crate) fn flush_stage(&self) -> &AtomicU8 {
        &self.flush.stage
    }
}

/// See [`Partition::committed`].
#[derive(Debug)]
pub struct Committed<D: Disk> {
    partition: Arc<Partition<D>>,
    last: Offset,
    watch: Option<Watch>,
}

impl<D: Disk> Future for Committed<D> {
    type Output = Result<(), AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(done) = self.partition.is_committed(self.last) {
            return Poll::Ready(done);
        }
        self.watch = Some(self.partition.watch(context.waker()));
        // It may have happened between the look and the watch.
        match self.partition.is_committed(self.last) {
            Some(done) => Poll::Ready(done),
            None => Poll::Pending,
        }
    }
}
