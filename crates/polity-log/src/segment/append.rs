//! Putting batches at the end of a segment, and into its indexes.

use std::io;
use std::sync::atomic::Ordering;

use super::index::{IndexEntry, OffsetEntry, TimeEntry};
use super::{NO_TIMESTAMP, Scan, Segment};
use crate::batch::Header;
use crate::disk::{Disk, File};

/// Bytes between two entries of an index that is made anew.
const INDEX_INTERVAL: u32 = 4096;

/// Why a batch was not written.
#[derive(Debug)]
pub(crate) struct WriteError {
    pub(crate) error: io::Error,
    /// Whether the file is as it was before.
    pub(crate) is_undone: bool,
}

impl WriteError {
    pub(crate) fn refused(error: io::Error) -> Self {
        Self {
            error,
            is_undone: true,
        }
    }
}

impl<D: Disk> Segment<D> {
    /// Appends one batch, given in two parts.
    pub(crate) fn append(
        &self,
        header: &Header,
        parts: [&[u8]; 2],
        index_interval: u32,
    ) -> Result<(), WriteError> {
        // Of what was there before a start it may have to be looked up, and must not be taken for this one's.
        self.largest_timestamp_ms().map_err(WriteError::refused)?;
        let position = self.size();
        let write = |file: &D::File| {
            let written = file.write_at(parts, u64::from(position));
            written.map_err(|error| WriteError {
                error,
                is_undone: file.truncate(u64::from(position)).is_ok(),
            })
        };
        let written = self.files.write(&self.log, write);
        written.map_err(WriteError::refused)??;
        self.appended(header, position, index_interval);
        Ok(())
    }

    /// Notes a batch that has been written at `position`, which is where the last one ended.
    pub(crate) fn appended(&self, header: &Header, position: u32, index_interval: u32) {
        self.index(header, position, index_interval);
        self.size
            .store(position + header.length as u32, Ordering::Release);
    }

    /// As [`Segment::flush_indexes`], and nothing more will come.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.mark_finished();
        self.flush_indexes()
    }

    /// Writes what the indexes still hold back, and the largest timestamp so far.
    pub(crate) fn flush_indexes(&self) -> io::Result<()> {
        self.push_time();
        self.offsets.flush()?;
        self.times.flush()
    }

    /// Nothing will be appended any more.
    pub(crate) fn mark_finished(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
    }

    /// Cuts off what stands at and after `size`; no index knows of it.
    pub(crate) fn truncate(&self, size: u32) -> io::Result<()> {
        self.files
            .write(&self.log, |file| file.truncate(u64::from(size)))??;
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// An index has said what is not so. Makes both anew, or without them, where they are being written.
    pub(super) fn repair(&self) -> io::Result<()> {
        // Two who find it out at the same time must not both fill it.
        let is_retired = self.retirement();
        if *is_retired {
            return Ok(());
        }
        tracing::warn!(
            "the indexes of {} are wrong, and are made anew",
            self.path().display()
        );
        match self.is_finished.load(Ordering::Relaxed) {
            true => {
                self.rebuild_indexes(self.size(), INDEX_INTERVAL)?;
                self.finish()
            }
            false => {
                self.offsets.clear()?;
                self.times.clear()
            }
        }
    }

    /// Makes the indexes anew from the batches before `end`.
    pub(crate) fn rebuild_indexes(&self, end: u32, index_interval: u32) -> io::Result<()> {
        self.clear_indexes()?;
        let mut scan = Scan::new(self.file()?, 0, end);
        while let Some(found) = scan.next()? {
            self.index(&found.header, found.position, index_interval);
        }
        Ok(())
    }

    /// Empties the indexes, to be filled again.
    pub(crate) fn clear_indexes(&self) -> io::Result<()> {
        *self.latest() = Some(TimeEntry::NONE);
        self.since_entry.store(0, Ordering::Relaxed);
        self.offsets.clear()?;
        self.times.clear()
    }

    fn index(&self, header: &Header, position: u32, index_interval: u32) {
        let delta = (header.last_offset().0 - self.base.0) as u32;
        let length = header.length as u32;
        let timestamp_ms = header.max_timestamp_ms;
        let this = TimeEntry {
            timestamp_ms,
            delta,
        };
        {
            let mut latest = self.latest();
            if latest.is_none_or(|it| timestamp_ms > it.timestamp_ms) {
                *latest = Some(this);
            }
        }
        let since = self.since_entry.load(Ordering::Relaxed);
        if since > index_interval {
            self.offsets.push(OffsetEntry { delta, position });
            self.push_time();
            self.since_entry.store(length, Ordering::Relaxed);
        } else {
            self.since_entry
                .store(since.saturating_add(length), Ordering::Relaxed);
        }
    }

    fn push_time(&self) {
        let Some(latest) = *self.latest() else { return };
        let is_news = |last: Option<TimeEntry>| last.is_none_or(|last| latest.follows(&last));
        // An index that cannot be read gets no entry, and is only sparser for it.
        if latest.timestamp_ms > NO_TIMESTAMP && self.times.last().is_ok_and(is_news) {
            self.times.push(latest);
        }
    }
}
