//! One file of a partition's batches, with its indexes.

mod aborted;
mod append;
mod index;
mod name;
mod scan;
mod search;
mod verify;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use aborted::{Aborted, AbortedIndex};
pub(crate) use append::WriteError;
use index::{Index, OffsetEntry, TimeEntry};
pub(crate) use name::{ABORTED_INDEX, LOG, OFFSET_INDEX, TIME_INDEX, name, parse_name};
pub(crate) use scan::{Found, Scan};
pub(crate) use verify::Verified;

use crate::disk::{Disk, Files, Handle};
use crate::id::Offset;

/// A timestamp before all others: of a segment without records.
pub(crate) const NO_TIMESTAMP: i64 = -1;

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
    /// The latest of its timestamps, which the time index says next; None where nobody has looked.
    latest: Mutex<Option<TimeEntry>>,
    since_entry: AtomicU32,
    /// Nothing is appended any more.
    is_finished: AtomicBool,
    /// Who makes the indexes anew, and whether nobody may any more: their names are another's.
    is_retired: Mutex<bool>,
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
        *segment.latest() = None;
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
            latest: Mutex::new(Some(TimeEntry::NONE)),
            since_entry: AtomicU32::new(0),
            is_finished: AtomicBool::new(false),
            is_retired: Mutex::new(false),
        }
    }

    pub(crate) fn size(&self) -> u32 {
        self.size.load(Ordering::Acquire)
    }

    /// The latest of its timestamps, or [`NO_TIMESTAMP`].
    pub(crate) fn largest_timestamp_ms(&self) -> io::Result<i64> {
        if let Some(latest) = *self.latest() {
            return Ok(latest.timestamp_ms);
        }
        let found = self.last_time()?.unwrap_or(TimeEntry::NONE);
        // Who appends has looked before: what came meanwhile is not overwritten.
        Ok(self.latest().get_or_insert(found).timestamp_ms)
    }

    fn latest(&self) -> MutexGuard<'_, Option<TimeEntry>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn file(&self) -> io::Result<Arc<D::File>> {
        self.files.open(&self.log)
    }

    /// Makes the batches durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.files.sync(&self.log)
    }

    /// Makes the indexes durable.
    pub(crate) fn sync_indexes(&self) -> io::Result<()> {
        self.offsets.sync()?;
        self.times.sync()?;
        self.aborted.sync()
    }

    /// Of its files: the batches', the offsets', the times' and the aborted transactions'.
    pub(crate) fn lengths(&self) -> [u64; 4] {
        [
            u64::from(self.size()),
            self.offsets.length(),
            self.times.length(),
            self.aborted.length(),
        ]
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

    pub(crate) fn path(&self) -> &Path {
        self.log.path()
    }

    /// Before another takes its names. What it has found in an index that is not its own any more it finds
    /// wrong, and leaves alone.
    pub(crate) fn retire(&self) {
        *self.retirement() = true;
    }

    /// No other took its names after all.
    pub(crate) fn restore(&self) {
        *self.retirement() = false;
    }

    fn retirement(&self) -> MutexGuard<'_, bool> {
        self.is_retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Retires it, and keeps its batches open as long as anybody has it.
    pub(crate) fn pin(&self) -> io::Result<()> {
        self.retire();
        self.log.pin();
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
}
