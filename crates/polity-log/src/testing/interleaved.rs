//! A disk on which something else happens at a chosen moment of an operation.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Disk, Entry, File};

/// A moment of an operation on a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    BeforeOpen,
    BeforeWrite,
    BeforeSync,
    AfterSync,
    BeforeTruncate,
    BeforeSyncFolder,
}

/// What happens, once, at the first such moment of a file whose name ends so.
struct Action {
    moment: Moment,
    ending: &'static str,
    act: Box<dyn FnOnce() -> io::Result<()> + Send>,
}

/// A disk that does what another does, and at one moment something more.
#[derive(Clone)]
pub(crate) struct Interleaved<D> {
    disk: D,
    action: Arc<Mutex<Option<Action>>>,
}

impl<D> Interleaved<D> {
    pub(crate) fn new(disk: D) -> Self {
        Self {
            disk,
            action: Arc::default(),
        }
    }

    /// Has this happen once, on the thread that is at the moment. Where it fails, the operation does.
    pub(crate) fn at(
        &self,
        moment: Moment,
        ending: &'static str,
        act: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) {
        let act = Box::new(act);
        *self.lock() = Some(Action {
            moment,
            ending,
            act,
        });
    }

    /// Has this happen at the end of the next sync of any file.
    pub(crate) fn after_sync(&self, act: impl FnOnce() + Send + 'static) {
        self.at(Moment::AfterSync, "", || {
            act();
            Ok(())
        });
    }

    /// Whether it has not happened.
    pub(crate) fn is_waiting(&self) -> bool {
        self.lock().is_some()
    }

    fn reach(&self, moment: Moment, path: &Path) -> io::Result<()> {
        let is_it = |action: &mut Action| {
            action.moment == moment && path.to_string_lossy().ends_with(action.ending)
        };
        // Not under the lock: it may reach moments itself.
        let action = self.lock().take_if(is_it);
        action.map_or(Ok(()), |action| (action.act)())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Action>> {
        self.action.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: fmt::Debug> fmt::Debug for Interleaved<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

#[derive(Debug)]
pub(crate) struct InterleavedFile<D: Disk> {
    disk: Interleaved<D>,
    path: PathBuf,
    file: D::File,
}

impl<D: Disk + Clone> Interleaved<D> {
    fn file(&self, path: &Path, file: D::File) -> InterleavedFile<D> {
        InterleavedFile {
            disk: self.clone(),
            path: path.to_owned(),
            file,
        }
    }
}

impl<D: Disk + Clone> Disk for Interleaved<D> {
    type File = InterleavedFile<D>;

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        self.reach(Moment::BeforeOpen, path)?;
        self.disk.open(path).map(|file| self.file(path, file))
    }

    fn create(&self, path: &Path) -> io::Result<Self::File> {
        self.disk.create(path).map(|file| self.file(path, file))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.create_folder(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.reach(Moment::BeforeSyncFolder, path)?;
        self.disk.sync_folder(path)
    }
}

impl<D: Disk + Clone> File for InterleavedFile<D> {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(buffer, at)
    }

    fn write_at(&self, parts: [&[u8]; 2], at: u64) -> io::Result<()> {
        self.disk.reach(Moment::BeforeWrite, &self.path)?;
        self.file.write_at(parts, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.reach(Moment::BeforeSync, &self.path)?;
        self.file.sync()?;
        self.disk.reach(Moment::AfterSync, &self.path)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.reach(Moment::BeforeTruncate, &self.path)?;
        self.file.truncate(length)
    }
}
