//! Faults of the machine's own file system, made on purpose: for tests of what is built over the log and
//! needs files that have descriptors.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is wrong with the files in one folder and those below it.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_full: AtomicBool,
    is_failing: AtomicBool,
}

/// By folder. There are a few in a run of the tests, which each have folders of their own.
static ALL: Mutex<Vec<(PathBuf, Faults)>> = Mutex::new(Vec::new());

impl Faults {
    /// Of the files in a folder that are opened from now on; nothing is wrong with them yet.
    pub fn below(folder: &Path) -> Self {
        let faults = Self::default();
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((folder.to_owned(), faults.clone()));
        faults
    }

    /// Whether there is no room to write.
    pub fn set_full(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::SeqCst);
    }

    /// Every sync fails from now on.
    pub fn fail_syncs(&self) {
        self.0.is_failing.store(true, Ordering::SeqCst);
    }

    pub(super) fn of(path: &Path) -> Self {
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|(folder, _)| path.starts_with(folder));
        found.map(|(_, faults)| faults.clone()).unwrap_or_default()
    }

    pub(super) fn write(&self) -> io::Result<()> {
        match self.0.is_full.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        match self.0.is_failing.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the sync failed")),
            false => Ok(()),
        }
    }
}
