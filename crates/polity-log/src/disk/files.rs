//! Files that are opened when they are needed, and never more of them than may be open.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Disk;

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
    /// Whether it has been written to and not been synced. It is not closed then: a failed write that
    /// the kernel makes later is reported to who has the file open.
    dirty: AtomicBool,
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
            dirty: AtomicBool::new(false),
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

    /// Keeps it open until it is synced.
    pub(crate) fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::Relaxed);
    }

    /// It was synced.
    pub(crate) fn mark_clean(&self) {
        self.dirty.store(false, Ordering::Relaxed);
    }

    /// Whether it could be closed now. Who is just opening another file does not wait for who is just
    /// opening this one.
    fn close(&self) -> bool {
        if self.dirty.load(Ordering::Relaxed) {
            return false;
        }
        match self.file.try_lock() {
            Ok(mut slot) => {
                *slot = None;
                true
            }
            Err(_) => false,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{File, RealDisk};

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

    #[test]
    fn a_file_that_is_not_synced_stays_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(RealDisk, 1);
        let dirty = files.handle(folder.path().join("dirty"));
        files.create(&dirty).expect("it is made");
        dirty.mark_dirty();
        for name in ["a", "b", "c"] {
            files
                .create(&files.handle(folder.path().join(name)))
                .expect("it is made");
        }
        assert!(lock(&dirty.file).is_some());
        assert!(lock(&files.open).len() <= 2);
        dirty.mark_clean();
        files
            .create(&files.handle(folder.path().join("d")))
            .expect("it is made");
        files
            .create(&files.handle(folder.path().join("e")))
            .expect("it is made");
        assert!(lock(&dirty.file).is_none());
    }
}
