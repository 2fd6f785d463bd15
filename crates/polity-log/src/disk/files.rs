//! Files that are opened when they are needed, and never more of them than may be open.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Disk, File};

/// The disk, and which of its files are open: those used least lately are closed first, roughly
/// (the clock algorithm).
#[derive(Debug)]
pub(crate) struct Files<D: Disk> {
    pub(crate) disk: D,
    most: usize,
    open: Mutex<VecDeque<Weak<Handle<D>>>>,
}

/// A file by its name. Whoever has it open keeps it open; the handle may forget it meanwhile.
#[derive(Debug)]
pub(crate) struct Handle<D: Disk> {
    path: PathBuf,
    file: Mutex<Option<Arc<D::File>>>,
    used: AtomicBool,
    writes: Writes,
    /// Whether another file has its name now, so that it cannot be opened again.
    is_pinned: AtomicBool,
}

/// Counts writes to a file, to tell whether one is not synced. The file is not closed then: a failed
/// write that the kernel makes later is reported to who has the file open.
///
/// A write may begin or end at any moment of a sync, which is sure to have made durable only those that
/// had ended when it began.
#[derive(Debug, Default)]
struct Writes {
    begun: AtomicU64,
    ended: AtomicU64,
    synced: AtomicU64,
}

impl Writes {
    fn are_synced(&self) -> bool {
        self.begun.load(Ordering::SeqCst) == self.synced.load(Ordering::SeqCst)
    }
}

impl<D: Disk> Files<D> {
    pub(crate) fn new(disk: D, most: usize) -> Self {
        Self {
            disk,
            most,
            open: Mutex::default(),
        }
    }

    /// A file that is there, or will be created by this handle.
    pub(crate) fn handle(&self, path: PathBuf) -> Arc<Handle<D>> {
        Arc::new(Handle {
            path,
            file: Mutex::default(),
            used: AtomicBool::new(false),
            writes: Writes::default(),
            is_pinned: AtomicBool::new(false),
        })
    }

    /// The open file.
    pub(crate) fn open(&self, handle: &Arc<Handle<D>>) -> io::Result<Arc<D::File>> {
        handle.used.store(true, Ordering::Relaxed);
        let mut slot = lock(&handle.file);
        if let Some(file) = slot.as_ref() {
            return Ok(file.clone());
        }
        let file = Arc::new(self.disk.open(&handle.path)?);
        *slot = Some(file.clone());
        drop(slot);
        self.opened(handle);
        Ok(file)
    }

    /// The file, empty.
    pub(crate) fn create(&self, handle: &Arc<Handle<D>>) -> io::Result<Arc<D::File>> {
        let file = Arc::new(self.disk.create(&handle.path)?);
        *lock(&handle.file) = Some(file.clone());
        self.opened(handle);
        Ok(file)
    }

    /// Has the file written to. It stays open until that is synced.
    pub(crate) fn write<T>(
        &self,
        handle: &Arc<Handle<D>>,
        write: impl FnOnce(&D::File) -> T,
    ) -> io::Result<T> {
        handle.writes.begun.fetch_add(1, Ordering::SeqCst);
        let written = self.open(handle).map(|file| write(&file));
        handle.writes.ended.fetch_add(1, Ordering::SeqCst);
        written
    }

    /// Makes durable what has been written to the file.
    pub(crate) fn sync(&self, handle: &Arc<Handle<D>>) -> io::Result<()> {
        let ended = handle.writes.ended.load(Ordering::SeqCst);
        self.open(handle)?.sync()?;
        handle.writes.synced.fetch_max(ended, Ordering::SeqCst);
        Ok(())
    }

    fn opened(&self, handle: &Arc<Handle<D>>) {
        let mut open = lock(&self.open);
        open.push_back(Arc::downgrade(handle));
        // Twice round at most: the first time takes the marks of use away.
        for _ in 0..2 * open.len() {
            if open.len() <= self.most {
                break;
            }
            let Some(oldest) = open.pop_front().and_then(|it| it.upgrade()) else {
                continue;
            };
            if oldest.used.swap(false, Ordering::Relaxed) || !oldest.close() {
                open.push_back(Arc::downgrade(&oldest));
            }
        }
    }
}

impl<D: Disk> Handle<D> {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps it open, once it is, as long as there is this handle.
    pub(crate) fn pin(&self) {
        self.is_pinned.store(true, Ordering::SeqCst);
    }

    /// Whether it could be closed now. Who is just opening another file does not wait for who is just
    /// opening this one.
    fn close(&self) -> bool {
        let Ok(mut slot) = self.file.try_lock() else {
            return false;
        };
        // With the lock: who writes has counted that before it asks for the file.
        let may_close = self.writes.are_synced() && !self.is_pinned.load(Ordering::SeqCst);
        if may_close {
            *slot = None;
        }
        may_close
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::testing::Interleaved;

    #[test]
    fn files_used_least_lately_are_closed_and_come_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(RealDisk, 2);
        let handles: Vec<_> = (0..5)
            .map(|name| files.handle(folder.path().join(name.to_string())))
            .collect();
        for (handle, letter) in handles.iter().zip(b'a'..) {
            let file = files.create(handle).expect("it is made");
            file.write_at([&[letter], &[]], 0).expect("it is written");
        }
        let is_open = |handle: &Arc<Handle<RealDisk>>| lock(&handle.file).is_some();
        assert_eq!(handles.iter().filter(|it| is_open(it)).count(), 2);
        for (handle, letter) in handles.iter().zip(b'a'..) {
            let mut byte = [0];
            files
                .open(handle)
                .expect("it opens")
                .read_at(&mut byte, 0)
                .expect("it reads");
            assert_eq!(byte, [letter]);
        }
        assert_eq!(handles.iter().filter(|it| is_open(it)).count(), 2);
    }

    /// Opens others, until all are closed that may be.
    fn crowd_out(files: &Files<RealDisk>, folder: &Path) {
        for name in ["a", "b", "c", "d"] {
            let other = files.handle(folder.join(name));
            files.create(&other).expect("it is made");
        }
    }

    #[test]
    fn a_file_that_is_not_synced_stays_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(RealDisk, 1);
        let handle = files.handle(folder.path().join("dirty"));
        files.create(&handle).expect("it is made");
        let is_open = || lock(&handle.file).is_some();
        let write = |file: &crate::disk::RealFile| file.write_at([b"a", &[]], 0);
        files
            .write(&handle, write)
            .expect("it opens")
            .expect("it is written");
        crowd_out(&files, folder.path());
        assert!(is_open());
        assert!(lock(&files.open).len() <= 2);
        files.sync(&handle).expect("it syncs");
        crowd_out(&files, folder.path());
        assert!(!is_open());
    }

    #[test]
    fn a_file_stays_open_that_is_written_to_while_it_is_synced() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Interleaved::new(RealDisk);
        let files = Arc::new(Files::new(disk.clone(), 1));
        let handle = files.handle(folder.path().join("dirty"));
        files.create(&handle).expect("it is made");
        let write = |files: &Files<Interleaved<RealDisk>>, handle: &Arc<Handle<_>>| {
            let written = files.write(handle, |file| file.write_at([b"a", &[]], 0));
            written.expect("it opens").expect("it is written");
        };
        write(&files, &handle);
        let (others, same) = (files.clone(), handle.clone());
        disk.after_sync(move || write(&others, &same));
        files.sync(&handle).expect("it syncs");
        for name in ["a", "b", "c", "d"] {
            let other = files.handle(folder.path().join(name));
            files.create(&other).expect("it is made");
        }
        assert!(lock(&handle.file).is_some());
    }
}
