//! The transactions that were aborted by a marker in a segment (`.txnindex`), for readers who must
//! leave their records out.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Disk, File, Files, Handle};
use crate::id::{Offset, ProducerId};

const VERSION: i16 = 0;
const ENTRY: usize = 34;

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: ProducerId,
    /// Of its first record.
    pub(crate) first: Offset,
    /// Of its marker.
    pub(crate) last: Offset,
    /// Where the first transaction began that was open still, or what follows the marker: none that was
    /// aborted later begins before it.
    pub(crate) last_stable: Offset,
}

impl Aborted {
    fn encode(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        let fields = [
            self.producer_id.0,
            self.first.0,
            self.last.0,
            self.last_stable.0,
        ];
        bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
        for (place, field) in bytes[2..].chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes
            .get(2..)?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|it| i64::from_be_bytes(*it));
        Some(Self {
            producer_id: ProducerId(fields.next()?),
            first: Offset(fields.next()?),
            last: Offset(fields.next()?),
            last_stable: Offset(fields.next()?),
        })
    }
}

/// The index; there is a file only once a transaction was aborted.
///
/// Only who appends to the partition changes it, while others read it and make it durable.
#[derive(Debug)]
pub(crate) struct AbortedIndex<D: Disk> {
    files: Arc<Files<D>>,
    handle: Arc<Handle<D>>,
    /// How many there are; the file may have more for a moment.
    entries: AtomicU64,
}

impl<D: Disk> AbortedIndex<D> {
    pub(crate) fn new(files: &Arc<Files<D>>, handle: Arc<Handle<D>>) -> Self {
        Self {
            files: files.clone(),
            handle,
            entries: AtomicU64::new(0),
        }
    }

    pub(crate) fn adopt(&self, length: u64) {
        self.set(length / ENTRY as u64);
    }

    pub(crate) fn push(&self, entry: &Aborted) -> io::Result<()> {
        let entries = self.len();
        let file = match entries {
            0 => self.files.create(&self.handle)?,
            _ => self.files.open(&self.handle)?,
        };
        file.write_at([&entry.encode(), &[]], entries * ENTRY as u64)?;
        self.set(entries + 1);
        Ok(())
    }

    /// Takes the last one back: its marker was not written.
    pub(crate) fn pop(&self) -> io::Result<()> {
        let entries = self.len().saturating_sub(1);
        self.set(entries);
        self.files
            .open(&self.handle)?
            .truncate(entries * ENTRY as u64)
    }

    pub(crate) fn all(&self) -> io::Result<Vec<Aborted>> {
        let entries = self.len();
        if entries == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; entries as usize * ENTRY];
        let read = self.files.open(&self.handle)?.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        // The last may have been taken back meanwhile.
        if (read as u64) < self.length() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes
            .chunks_exact(ENTRY)
            .filter_map(Aborted::decode)
            .collect())
    }

    /// Forgets those whose marker is at `end` or later.
    pub(crate) fn truncate(&self, end: Offset) -> io::Result<()> {
        let kept = self
            .all()?
            .iter()
            .take_while(|entry| entry.last < end)
            .count() as u64;
        if kept < self.len() {
            self.files
                .open(&self.handle)?
                .truncate(kept * ENTRY as u64)?;
            self.set(kept);
        }
        Ok(())
    }

    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        self.len() * ENTRY as u64
    }

    pub(crate) fn path(&self) -> &Path {
        self.handle.path()
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.len() {
            0 => Ok(()),
            _ => self.files.open(&self.handle)?.sync(),
        }
    }

    fn len(&self) -> u64 {
        self.entries.load(Ordering::Acquire)
    }

    fn set(&self, entries: u64) {
        self.entries.store(entries, Ordering::Release);
    }
}
