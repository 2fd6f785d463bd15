//! Sparse indexes: where about in a segment an offset or a time is.
//!
//! Most of an index is in its file and only there, so that memory does not grow with the data. The
//! newest entries wait in memory until there are enough for a write: they can be made again from the
//! segment, and an index with fewer entries is no less right.

use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::NO_TIMESTAMP;
use crate::disk::{Disk, File, Files, Handle};

/// Entries that wait for a write.
const WAITING: usize = 64;

/// Entries that are read at once.
const BLOCK: usize = 256;

/// Bytes of the larger kind.
const LARGEST_ENTRY: usize = 12;

/// What an index is made of.
pub(crate) trait IndexEntry: Copy {
    const SIZE: usize;
    fn encode(&self, into: &mut Vec<u8>);
    fn decode(bytes: &[u8]) -> Option<Self>;
    /// Whether it may stand after that one.
    fn follows(&self, earlier: &Self) -> bool;
}

/// A batch whose last offset is the segment's base plus `delta` begins at `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) delta: u32,
    pub(crate) position: u32,
}

/// Up to and with the offset, no timestamp is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp_ms: i64,
    pub(crate) delta: u32,
}

impl TimeEntry {
    /// Of a segment without timestamps.
    pub(super) const NONE: Self = Self {
        timestamp_ms: NO_TIMESTAMP,
        delta: 0,
    };
}

impl IndexEntry for OffsetEntry {
    const SIZE: usize = 8;

    fn encode(&self, into: &mut Vec<u8>) {
        into.extend(self.delta.to_be_bytes());
        into.extend(self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (delta, position) = bytes.split_first_chunk()?;
        let delta = u32::from_be_bytes(*delta);
        let position = u32::from_be_bytes(*position.first_chunk()?);
        Some(Self { delta, position })
    }

    fn follows(&self, earlier: &Self) -> bool {
        self.delta > earlier.delta && self.position > earlier.position
    }
}

impl IndexEntry for TimeEntry {
    const SIZE: usize = 12;

    fn encode(&self, into: &mut Vec<u8>) {
        into.extend(self.timestamp_ms.to_be_bytes());
        into.extend(self.delta.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (timestamp, delta) = bytes.split_first_chunk()?;
        let timestamp_ms = i64::from_be_bytes(*timestamp);
        let delta = u32::from_be_bytes(*delta.first_chunk()?);
        Some(Self {
            timestamp_ms,
            delta,
        })
    }

    fn follows(&self, earlier: &Self) -> bool {
        self.timestamp_ms > earlier.timestamp_ms && self.delta >= earlier.delta
    }
}

/// A part of a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) part: u32,
    pub(crate) whole: u32,
}

impl Share {
    fn of(self, entries: usize) -> usize {
        let whole = u64::from(self.whole.max(1));
        (entries as u64 * u64::from(self.part) / whole) as usize
    }
}

/// One index of one segment.
#[derive(Debug)]
pub(crate) struct Index<D: Disk, E> {
    files: Arc<Files<D>>,
    handle: Arc<Handle<D>>,
    /// Not held while the disk is at work: readers want it.
    entries: Mutex<Entries<E>>,
    /// Who changes the file.
    changing: Mutex<()>,
    entry: PhantomData<E>,
}

#[derive(Debug)]
struct Entries<E> {
    /// How many are in the file.
    written: usize,
    waiting: Vec<E>,
    /// The last of all, where it is known.
    last: Option<E>,
}

impl<D: Disk, E: IndexEntry> Index<D, E> {
    /// An index of no entries, its file not looked at.
    pub(crate) fn new(files: &Arc<Files<D>>, handle: Arc<Handle<D>>) -> Self {
        let entries = Mutex::new(Entries {
            written: 0,
            waiting: Vec::new(),
            last: None,
        });
        Self {
            files: files.clone(),
            handle,
            entries,
            changing: Mutex::new(()),
            entry: PhantomData,
        }
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        self.files.create(&self.handle).map(|_| ())
    }

    /// Takes over what its file has, by its length.
    pub(crate) fn adopt(&self, length: u64) {
        self.lock().written = usize::try_from(length).unwrap_or(usize::MAX) / E::SIZE;
    }

    pub(crate) fn push(&self, entry: E) {
        let waiting = {
            let mut entries = self.lock();
            entries.waiting.push(entry);
            entries.last = Some(entry);
            entries.waiting.len()
        };
        if waiting >= WAITING && self.flush().is_err() {
            // There is no room, or no disk. The index is only sparser for it, and memory is bounded.
            let mut entries = self.lock();
            entries.waiting.clear();
            entries.last = None;
        }
    }

    /// Writes the entries that wait.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let _one = self.change();
        let (written, count, bytes) = {
            let entries = self.lock();
            let mut bytes = Vec::with_capacity(entries.waiting.len() * E::SIZE);
            let waiting = entries.waiting.iter();
            waiting.for_each(|entry| entry.encode(&mut bytes));
            (entries.written, entries.waiting.len(), bytes)
        };
        if count == 0 {
            return Ok(());
        }
        let file = match written {
            0 => self.files.create(&self.handle)?,
            _ => self.files.open(&self.handle)?,
        };
        file.write_at([&bytes, &[]], (written * E::SIZE) as u64)?;
        let mut entries = self.lock();
        entries.written += count;
        entries.waiting.drain(..count);
        Ok(())
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u32 {
        let entries = self.lock();
        (entries.written + entries.waiting.len()) as u32
    }

    /// Of all of them, in bytes.
    pub(crate) fn length(&self) -> u64 {
        u64::from(self.len()) * E::SIZE as u64
    }

    /// Keeps the first entries only, where there are as many.
    pub(crate) fn truncate(&self, entries: u32) -> io::Result<bool> {
        let _one = self.change();
        let kept = entries as usize;
        let written = {
            let mut state = self.lock();
            if state.written < kept {
                return Ok(false);
            }
            state.waiting.clear();
            state.last = None;
            std::mem::replace(&mut state.written, kept)
        };
        if written > kept {
            self.files
                .open(&self.handle)?
                .truncate((kept * E::SIZE) as u64)?;
        }
        Ok(true)
    }

    pub(crate) fn path(&self) -> &Path {
        self.handle.path()
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.files.open(&self.handle)?.sync()
    }

    pub(crate) fn clear(&self) -> io::Result<()> {
        let _one = self.change();
        {
            let mut entries = self.lock();
            entries.waiting.clear();
            entries.last = None;
            if std::mem::take(&mut entries.written) == 0 {
                return Ok(());
            }
        }
        self.files.create(&self.handle).map(|_| ())
    }

    pub(crate) fn last(&self) -> io::Result<Option<E>> {
        let written = {
            let entries = self.lock();
            if entries.last.is_some() {
                return Ok(entries.last);
            }
            entries.written
        };
        match written.checked_sub(1) {
            Some(last) => self.read(last).map(Some),
            None => Ok(None),
        }
    }

    /// The last entry for which `is_before` holds; it holds for all before that one. It is looked for first
    /// where it should be if entries were spread evenly: so large a share of all before it.
    pub(crate) fn search(
        &self,
        share: Option<Share>,
        is_before: impl Fn(&E) -> bool,
    ) -> io::Result<Option<E>> {
        let mut high = {
            let entries = self.lock();
            let at = entries.waiting.partition_point(&is_before);
            if let Some(entry) = at.checked_sub(1).and_then(|at| entries.waiting.get(at)) {
                return Ok(Some(*entry));
            }
            entries.written
        };
        let mut bytes = [0; BLOCK * LARGEST_ENTRY];
        let (mut low, mut found) = (0, None);
        if let Some(share) = share.filter(|_| high > BLOCK) {
            let first = share.of(high).saturating_sub(BLOCK / 2).min(high - BLOCK);
            let entries = self.read_block(first, BLOCK, &mut bytes)?;
            let before = entries.take_while(|entry| is_before(entry));
            let (count, last) =
                before.fold((0, None), |(count, _), entry| (count + 1, Some(entry)));
            match count {
                0 => high = first,
                BLOCK => (low, found) = (first + BLOCK, last),
                _ => return Ok(last),
            }
        }
        // From entry to entry, as long as one read does not do for all that are left.
        while high - low > BLOCK {
            let middle = low + (high - low) / 2;
            let entry = self.read(middle)?;
            if is_before(&entry) {
                (low, found) = (middle + 1, Some(entry));
            } else {
                high = middle;
            }
        }
        let entries = self.read_block(low, high - low, &mut bytes)?;
        let last = entries.take_while(|entry| is_before(entry)).last();
        Ok(last.or(found))
    }

    fn read(&self, entry: usize) -> io::Result<E> {
        let mut bytes = [0; LARGEST_ENTRY];
        let mut entries = self.read_block(entry, 1, &mut bytes)?;
        entries
            .next()
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn read_block<'a>(
        &self,
        first: usize,
        count: usize,
        bytes: &'a mut [u8],
    ) -> io::Result<impl Iterator<Item = E> + use<'a, D, E>> {
        let bytes = bytes.get_mut(..count * E::SIZE).unwrap_or_default();
        let read = match count {
            0 => 0,
            _ => self
                .files
                .open(&self.handle)?
                .read_at(bytes, (first * E::SIZE) as u64)?,
        };
        let bytes = bytes.get(..read).unwrap_or_default();
        Ok(bytes.chunks_exact(E::SIZE).filter_map(E::decode))
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Entries<E>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn an_entry_is_found_wherever_it_is_looked_for_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Arc::new(Files::new(RealDisk, 8));
        let handle = files.handle(folder.path().join("index"));
        let index: Index<_, OffsetEntry> = Index::new(&files, handle);
        let entry = |number: u32| OffsetEntry {
            delta: number,
            // Denser and denser, so that none is where it should be.
            position: 10 * number.isqrt() + number,
        };
        let count = 5_000;
        (0..count).for_each(|number| index.push(entry(number)));
        assert_eq!(index.last().expect("it reads"), Some(entry(count - 1)));
        let whole = entry(count).position;
        for limit in (0..whole + 100).step_by(7) {
            let expected = (0..count).map(entry).take_while(|it| it.position <= limit);
            let expected = expected.last();
            for part in [limit, 0, whole, whole * 2] {
                let share = Some(Share { part, whole });
                let found = index.search(share, |it| it.position <= limit);
                assert_eq!(found.expect("it reads"), expected, "{limit} near {part}");
            }
        }
    }
}
