//! One file of a partition's batches, with its indexes.

mod aborted;
mod index;
mod scan;
mod search;
mod verify;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

pub(crate) use aborted::{Aborted, AbortedIndex};
use index::{Index, IndexEntry, OffsetEntry, TimeEntry};
pub(crate) use scan::{Found, Scan};
pub(crate) use verify::Verified;

use crate::batch::Header;
use crate::disk::{Disk, File, Files, Handle};
use crate::id::Offset;

/// A timestamp before all others: of a segment without records.
pub(crate) const NO_TIMESTAMP: i64 = -1;

/// The largest timestamp is in the time index, which nobody has looked into.
const NOT_READ: i64 = i64::MIN;

/// Bytes between two entries of an index that is made anew.
const INDEX_INTERVAL: u32 = 4096;

/// A segment. Appended to by one, under the partition's lock; read by many without it.
#[derive(Debug)]
pub(crate) struct Segment<D: Disk> {
    /// No offset in it is lower.
    pub(crate) base: Offset,
    files: Arc<Files<D>>,
    log: Arc<Handle<D>>,
    offsets: Index<D, OffsetEntry>,
    times: Index<D, TimeEntry>,
    pub(crate) aborted: AbortedIndex<D>,
    /// Bytes of whole batches.
    size: AtomicU32,
    largest_timestamp_ms: AtomicI64,
    /// What the time index says next.
    offset_of_largest: AtomicI64,
    since_entry: AtomicU32,
    /// Nothing is appended any more.
    is_finished: AtomicBool,
}

impl<D: Disk> Segment<D> {
    /// Makes an empty one. Its name is durable once the folder is synced.
    pub(crate) fn create(
        files: &Arc<Files<D>>,
        folder: &Path,
        base: Offset,
    ) -> Result<Self, WriteError> {
        let segment = Self::at(files, folder, base);
        let made = files.create(&segment.log).and_then(|_| {
            segment.offsets.create()?;
            segment.times.create()
        });
        match made {
            Ok(()) => Ok(segment),
            // An empty one must not stay while the one before it grows over its base.
            Err(error) => Err(WriteError {
                error,
                is_undone: segment.remove().is_ok(),
            }),
        }
    }

    /// Removes its files.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for path in self.paths() {
            match self.files.disk.remove(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// One that is there: `lengths` are those of its files, the batches', the offsets', the
    /// times' and the aborted transactions'.
    pub(crate) fn adopt(
        files: &Arc<Files<D>>,
        folder: &Path,
        base: Offset,
        lengths: [u64; 4],
    ) -> io::Result<Self> {
        let segment = Self::at(files, folder, base);
        let [size, offsets, times, aborted] = lengths;
        let size = u32::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
        segment.size.store(size, Ordering::Relaxed);
        segment.offsets.adopt(offsets);
        segment.times.adopt(times);
        segment.aborted.adopt(aborted);
        segment
            .largest_timestamp_ms
            .store(NOT_READ, Ordering::Relaxed);
        Ok(segment)
    }

    fn at(files: &Arc<Files<D>>, folder: &Path, base: Offset) -> Self {
        let file = |ending: &str| files.handle(folder.join(name(base, ending)));
        Self {
            base,
            files: files.clone(),
            log: file(LOG),
            offsets: Index::new(files, file(OFFSET_INDEX)),
            times: Index::new(files, file(TIME_INDEX)),
            aborted: AbortedIndex::new(files, file(ABORTED_INDEX)),
            size: AtomicU32::new(0),
            largest_timestamp_ms: AtomicI64::new(NO_TIMESTAMP),
            offset_of_largest: AtomicI64::new(base.0),
            since_entry: AtomicU32::new(0),
            is_finished: AtomicBool::new(false),
        }
    }

    pub(crate) fn size(&self) -> u32 {
        self.size.load(Ordering::Acquire)
    }

    /// The latest of its timestamps, or [`NO_TIMESTAMP`].
    pub(crate) fn largest_timestamp_ms(&self) -> io::Result<i64> {
        if self.largest_timestamp_ms.load(Ordering::Relaxed) == NOT_READ {
            match self.last_time()? {
                Some(last) => {
                    self.saw_timestamp(last.timestamp_ms, self.base.plus(i64::from(last.delta)))
                }
                None => self.saw_timestamp(NO_TIMESTAMP, self.base),
            }
        }
        Ok(self.largest_timestamp_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn file(&self) -> io::Result<Arc<D::File>> {
        self.files.open(&self.log)
    }

    /// Appends one batch, given in two parts. After an error, the bytes are gone again if `Ok` is in
    /// it; else nobody knows what is there.
    pub(crate) fn append(
        &self,
        header: &Header,
        parts: [&[u8]; 2],
        index_interval: u32,
    ) -> Result<(), WriteError> {
        let position = self.size();
        let file = self.file().map_err(WriteError::refused)?;
        self.log.mark_dirty();
        if let Err(error) = file.write_at(parts, u64::from(position)) {
            return Err(match file.truncate(u64::from(position)) {
                Ok(()) => WriteError::refused(error),
                Err(_) => WriteError {
                    error,
                    is_undone: false,
                },
            });
        }
        self.appended(header, position, index_interval);
        Ok(())
    }

    /// Notes a batch that has been written at `position`, which is where the last one ended.
    pub(crate) fn appended(&self, header: &Header, position: u32, index_interval: u32) {
        self.index(header, position, index_interval);
        self.size
            .store(position + header.length as u32, Ordering::Release);
    }

    fn index(&self, header: &Header, position: u32, index_interval: u32) {
        let delta = self.delta(header.last_offset());
        let length = header.length as u32;
        if header.max_timestamp_ms > self.largest_timestamp_ms.load(Ordering::Relaxed) {
            self.saw_timestamp(header.max_timestamp_ms, header.last_offset());
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

    /// Writes what the indexes still hold back, and the largest timestamp: nothing more will come.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.push_time();
        self.mark_finished();
        self.offsets.flush()?;
        self.times.flush()
    }

    /// Nothing will be appended any more.
    pub(crate) fn mark_finished(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
    }

    /// An index has said what is not so. Makes both anew, or without them, where they are being written.
    fn repair(&self) -> io::Result<()> {
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

    /// Makes the batches durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file()?.sync()?;
        self.log.mark_clean();
        Ok(())
    }

    /// Makes the indexes durable.
    pub(crate) fn sync_indexes(&self) -> io::Result<()> {
        self.offsets.sync()?;
        self.times.sync()?;
        self.aborted.sync()
    }

    /// How many entries the indexes of offsets and of times have.
    pub(crate) fn index_entries(&self) -> [u32; 2] {
        [self.offsets.len(), self.times.len()]
    }

    /// Keeps so many entries of the indexes, and those of transactions aborted before `end`. Says whether
    /// there were as many.
    pub(crate) fn truncate_indexes(&self, entries: [u32; 2], end: Offset) -> io::Result<bool> {
        self.aborted.truncate(end)?;
        let [offsets, times] = entries;
        Ok(self.offsets.truncate(offsets)? && self.times.truncate(times)?)
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

    /// Cuts off what stands at and after `size`; no index knows of it.
    pub(crate) fn truncate(&self, size: u32) -> io::Result<()> {
        self.file()?.truncate(u64::from(size))?;
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// Empties the indexes, to be filled again.
    pub(crate) fn clear_indexes(&self) -> io::Result<()> {
        self.largest_timestamp_ms
            .store(NO_TIMESTAMP, Ordering::Relaxed);
        self.since_entry.store(0, Ordering::Relaxed);
        self.offsets.clear()?;
        self.times.clear()
    }

    pub(crate) fn path(&self) -> &Path {
        self.log.path()
    }

    /// Keeps its file open as long as anybody has it: another takes its name.
    pub(crate) fn pin(&self) -> io::Result<()> {
        self.log.mark_dirty();
        self.file().map(|_| ())
    }

    /// Its files, those that there may be.
    pub(crate) fn paths(&self) -> [&Path; 4] {
        [
            self.log.path(),
            self.offsets.path(),
            self.times.path(),
            self.aborted.path(),
        ]
    }

    fn saw_timestamp(&self, timestamp_ms: i64, offset: Offset) {
        self.largest_timestamp_ms
            .store(timestamp_ms, Ordering::Relaxed);
        self.offset_of_largest.store(offset.0, Ordering::Relaxed);
    }

    fn push_time(&self) {
        let timestamp_ms = self.largest_timestamp_ms.load(Ordering::Relaxed);
        let offset = Offset(self.offset_of_largest.load(Ordering::Relaxed));
        let entry = TimeEntry {
            timestamp_ms,
            delta: self.delta(offset),
        };
        let is_news = |last: Option<TimeEntry>| last.is_none_or(|last| entry.follows(&last));
        // An index that cannot be read gets no entry, and is only sparser for it.
        if timestamp_ms > NO_TIMESTAMP && self.times.last().is_ok_and(is_news) {
            self.times.push(entry);
        }
    }

    fn delta(&self, offset: Offset) -> u32 {
        (offset.0 - self.base.0) as u32
    }
}

/// Why a batch was not written.
#[derive(Debug)]
pub(crate) struct WriteError {
    pub(crate) error: io::Error,
    /// Whether the file is as it was before.
    pub(crate) is_undone: bool,
}

impl WriteError {
    fn refused(error: io::Error) -> Self {
        Self {
            error,
            is_undone: true,
        }
    }
}

pub(crate) const LOG: &str = "log";
pub(crate) const OFFSET_INDEX: &str = "index";
pub(crate) const TIME_INDEX: &str = "timeindex";
pub(crate) const ABORTED_INDEX: &str = "txnindex";

/// A file of the segment, or of what else belongs to an offset.
pub(crate) fn name(base: Offset, ending: &str) -> String {
    format!("{:020}.{ending}", base.0)
}

/// The offset a file is named by, where it has this ending.
pub(crate) fn parse_name(name: &str, ending: &str) -> Option<Offset> {
    let digits = name.strip_suffix(ending)?.strip_suffix('.')?;
    let is_offset = digits.len() == 20 && digits.bytes().all(|it| it.is_ascii_digit());
    is_offset.then(|| digits.parse().ok().map(Offset))?
}
