//! Reading: a range of whole batches in one file, to be sent as it lies there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::mark::{Mark, View};
use super::{DELETED, Partition, lock};
use crate::disk::{Disk, File};
use crate::error::{IoError, ReadError};
use crate::id::Offset;
use crate::segment::Segment;

/// Up to where a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All that counts: to the high watermark.
    ReadUncommitted,
    /// To the first transaction that is open. Those that were aborted are told of in [`Read::aborted`].
    ReadCommitted,
}

/// What a read found.
#[derive(Debug)]
pub struct Read<F> {
    /// None where there is nothing to read yet.
    pub slice: Option<Slice<F>>,
    /// As they were when it was read.
    pub offsets: super::Offsets,
    /// For [`Isolation::ReadCommitted`]: the transactions in what was read that do not count.
    pub aborted: Vec<AbortedTransaction>,
}

/// A transaction that was aborted, as Fetch tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: crate::id::ProducerId,
    /// Of its first record in the partition.
    pub first_offset: Offset,
}

/// Whole batches, one after the other in a file. What was deleted meanwhile can still be read.
#[derive(Debug)]
pub struct Slice<F> {
    /// Where they are: sendfile(2) takes it.
    pub file: Arc<F>,
    /// Of the first, in the file.
    pub position: u64,
    /// Of all, in bytes; not 0.
    pub length: usize,
}

/// Batches, and the transactions in them that do not count.
type Found<F> = (Slice<F>, Vec<AbortedTransaction>);

impl<F: File> Slice<F> {
    /// Puts the bytes after what `into` has.
    ///
    /// # Errors
    ///
    /// Where the disk fails.
    pub fn read_into(&self, into: &mut Vec<u8>) -> io::Result<()> {
        let from = into.len();
        into.resize(from + self.length, 0);
        let read = self.file.read_at(&mut into[from..], self.position)?;
        into.truncate(from + read);
        match read == self.length {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The bytes.
    ///
    /// # Errors
    ///
    /// As of [`Slice::read_into`].
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(&mut bytes)?;
        Ok(bytes)
    }
}

impl<D: Disk> Partition<D> {
    /// Finds the batches from the one that has `offset`, which may begin before it, up to `max_bytes` of
    /// them, but one at least if there is one. At the end there is nothing yet; later ones may be in
    /// another file, and are for another read.
    ///
    /// # Errors
    ///
    /// Where the offset is before the first record or after the end, the topic is deleted, or the disk fails.
    pub fn read(
        &self,
        offset: Offset,
        isolation: Isolation,
        max_bytes: usize,
    ) -> Result<Read<D::File>, ReadError> {
        let view = self.view();
        let offsets = view.offsets();
        let (start, end) = (offsets.start, offsets.end);
        if offset < start || offset > end {
            return Err(ReadError::OutOfRange { offset, start, end });
        }
        let limit = limit(&view, isolation);
        let mut read = Read {
            slice: None,
            offsets,
            aborted: Vec::new(),
        };
        if offset < limit.offset {
            let found = self.undisturbed(|| self.look(offset, limit, isolation, max_bytes));
            self.refuse_if_deleted()?;
            let found = found.map_err(|error| {
                let start = self.offsets().start;
                match offset < start {
                    // It was removed meanwhile.
                    true => ReadError::OutOfRange { offset, start, end },
                    false => IoError::at(&self.folder)(error).into(),
                }
            })?;
            if let Some((slice, aborted)) = found {
                (read.slice, read.aborted) = (Some(slice), aborted);
            }
        }
        Ok(read)
    }

    /// Looks again where a file was not there because others have taken the place of the segments meanwhile.
    pub(super) fn undisturbed<T>(&self, look: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            let before = self.segments();
            match look() {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && !Arc::ptr_eq(&before, &self.segments()) => {}
                found => return found,
            }
        }
    }

    /// After files were opened: by their names, they may be those of another topic of this one's name.
    pub(super) fn refuse_if_deleted(&self) -> Result<(), ReadError> {
        match self.stage() {
            DELETED => Err(ReadError::Deleted),
            _ => Ok(()),
        }
    }

    /// The transactions aborted of which records are from one offset to before another.
    fn aborted(&self, from: Offset, to: Offset) -> io::Result<Vec<AbortedTransaction>> {
        let mut aborted = Vec::new();
        if !self.has_aborted.load(Ordering::Acquire) {
            return Ok(aborted);
        }
        for segment in self.segments_from(from, Offset(i64::MAX)) {
            for entry in segment.aborted.all()? {
                if entry.last >= from && entry.first < to {
                    let (producer_id, first_offset) = (entry.producer_id, entry.first);
                    aborted.push(AbortedTransaction {
                        producer_id,
                        first_offset,
                    });
                }
                if entry.last_stable >= to {
                    return Ok(aborted);
                }
            }
        }
        Ok(aborted)
    }

    /// The batches, and the transactions in them that do not count.
    fn look(
        &self,
        offset: Offset,
        limit: Mark,
        isolation: Isolation,
        max: usize,
    ) -> io::Result<Option<Found<D::File>>> {
        let Some((slice, next)) = self.slice(offset, limit, max)? else {
            return Ok(None);
        };
        let aborted = match isolation {
            Isolation::ReadCommitted => self.aborted(offset, next)?,
            Isolation::ReadUncommitted => Vec::new(),
        };
        Ok(Some((slice, aborted)))
    }

    /// With the offset of what follows, or one beyond it.
    fn slice(
        &self,
        offset: Offset,
        limit: Mark,
        max: usize,
    ) -> io::Result<Option<(Slice<D::File>, Offset)>> {
        let Some((segment, from)) = self.locate(offset, limit)? else {
            return Ok(None);
        };
        let end = end_in(&segment, limit);
        let file = segment.file()?;
        let wanted = from.saturating_add(u32::try_from(max).unwrap_or(u32::MAX));
        let (to, next) = match wanted >= end {
            true => (end, limit.offset),
            false => self
                .cut(&segment, from, wanted, end)?
                .unwrap_or((end, limit.offset)),
        };
        if to == limit.position && segment.base == limit.segment {
            self.remember(limit);
        }
        let length = (to - from) as usize;
        Ok(Some((
            Slice {
                file,
                position: u64::from(from),
                length,
            },
            next,
        )))
    }

    /// The segment and place of the batch that has the offset, or of the first after it, below `limit`.
    pub(super) fn locate(
        &self,
        offset: Offset,
        limit: Mark,
    ) -> io::Result<Option<(Arc<Segment<D>>, u32)>> {
        // Compaction moves what is in full segments.
        let known = lock(&self.recent).get(offset);
        let known =
            known.filter(|mark| mark.segment == limit.segment || !self.config().cleanup.compact);
        if let Some(mark) = known
            && let Some(segment) = self.segment_of(mark.offset)
            && segment.base == mark.segment
            && mark.position < end_in(&segment, limit)
        {
            return Ok(Some((segment, mark.position)));
        }
        for segment in self.segments_from(offset, limit.segment) {
            let end = end_in(&segment, limit);
            // Compaction may have left nothing at the end of a segment.
            if let Some(found) = segment.find(offset, end)? {
                return Ok(Some((segment, found.position)));
            }
        }
        Ok(None)
    }

    /// Where the last batch ends that is within `wanted`, and which follows; the first batch is in any
    /// case. None where that is the end.
    fn cut(
        &self,
        segment: &Segment<D>,
        from: u32,
        wanted: u32,
        end: u32,
    ) -> io::Result<Option<(u32, Offset)>> {
        let next = match segment.boundary(from, wanted)? {
            // It is no longer asked for.
            Some(found) => Some(found).filter(|found| found.end() <= end),
            None => segment.first(from, end, |found| {
                found.position > from && found.end() > wanted
            })?,
        };
        Ok(next.map(|next| {
            let (offset, position) = (next.header.base_offset, next.position);
            self.remember(Mark {
                offset,
                segment: segment.base,
                position,
            });
            (position, offset)
        }))
    }

    fn remember(&self, mark: Mark) {
        lock(&self.recent).put(mark);
    }

    /// The segment an offset is in, or would be.
    fn segment_of(&self, offset: Offset) -> Option<Arc<Segment<D>>> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.base <= offset);
        segments.get(after.checked_sub(1)?).cloned()
    }

    /// The segments from the one with `offset` to the one that begins at `last`.
    pub(super) fn segments_from(
        &self,
        offset: Offset,
        last: Offset,
    ) -> impl Iterator<Item = Arc<Segment<D>>> + use<D> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.base <= offset);
        let segments =
            (after.saturating_sub(1)..).map_while(move |number| segments.get(number).cloned());
        segments.take_while(move |segment| segment.base <= last)
    }
}

/// Up to where a reader may read.
pub(super) fn limit(view: &View, isolation: Isolation) -> Mark {
    match isolation {
        Isolation::ReadUncommitted => view.high_watermark,
        Isolation::ReadCommitted => view.last_stable,
    }
}

/// Up to where a segment may be read.
pub(super) fn end_in<D: Disk>(segment: &Segment<D>, limit: Mark) -> u32 {
    match segment.base == limit.segment {
        true => limit.position,
        false => segment.size(),
    }
}
