//! The data folder: where it is, who holds it, and what can be wrong with it.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::plan_file;
use crate::run_file::RunFile;

/// The folder beside polity.toml.
const FOLDER_NAME: &str = ".polity";

/// The file whose lock says that a system runs on the folder. It stays when the system ends: a
/// lock vanishes with its process, a file would not.
const LOCK_NAME: &str = "lock";

/// Only its owner: logs, environments and databases are secrets.
const PRIVATE: u32 = 0o700;

/// Asking whether the lock is held takes it for an instant, so a refusal counts when it stays.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Where the state of one system lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolder {
    path: PathBuf,
}

/// Held for as long as a system runs on the folder; the lock goes with it, however it ends.
#[derive(Debug)]
pub struct DataLock {
    file: Arc<File>,
}

impl DataLock {
    /// The lock itself: as long as anybody keeps it open, the folder is taken.
    pub fn file(&self) -> Arc<File> {
        self.file.clone()
    }
}

impl DataFolder {
    /// The folder given by `--data` or `POLITY_DATA`, or else `.polity` beside the plan.
    ///
    /// # Errors
    /// When the path given is relative and the current folder is gone.
    pub fn locate(given: Option<&Path>, plan_folder: &Path) -> Result<Self> {
        let path = match given {
            Some(given) => given.to_owned(),
            None => plan_folder.join(FOLDER_NAME),
        };
        let path = std::path::absolute(&path)
            .with_context(|| format!("could not make {} absolute", path.display()))?;
        Ok(Self { path })
    }

    /// The folder a command means that is given no plan: the one given, or the one of the nearest
    /// plan, here or in a folder above.
    ///
    /// # Errors
    /// When none is given and there is no plan.
    pub fn find(given: Option<&Path>) -> Result<Self> {
        let here = env::current_dir().context("could not tell the current folder")?;
        Self::find_from(given, &here)
    }

    fn find_from(given: Option<&Path>, here: &Path) -> Result<Self> {
        let is_system = |folder: &&Path| {
            folder.join(plan_file::FILE_NAME).is_file() || folder.join(FOLDER_NAME).is_dir()
        };
        match (given, here.ancestors().find(is_system)) {
            (Some(_), _) => Self::locate(given, here),
            (None, Some(folder)) => Self::locate(None, folder),
            (None, None) => bail!(
                "no polity.toml in {} or above it: go to the folder of a plan, or name its data by `--data DIR`",
                here.display()
            ),
        }
    }

    /// Its path, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder, readable by its owner only, and takes it for this process.
    ///
    /// # Errors
    /// When another system runs on it, or it can be neither made nor written to.
    pub fn open_exclusive(&self) -> Result<DataLock> {
        let path = self.path.display();
        self.make_private()
            .with_context(|| format!("could not make the data folder {path}: {REMEDY}"))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path.join(LOCK_NAME))
            .with_context(|| format!("could not write to the data folder {path}: {REMEDY}"))?;
        for tried in 1..=LOCK_TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // What a system that was killed left behind would send clients astray.
                    RunFile::remove(self)?;
                    let file = Arc::new(file);
                    return Ok(DataLock { file });
                }
                Err(Errno::WOULDBLOCK) if tried < LOCK_TRIES => thread::sleep(LOCK_PAUSE),
                Err(Errno::WOULDBLOCK) => bail!(self.taken()),
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("could not lock the data folder {path}: {REMEDY}")
                    });
                }
            }
        }
        bail!(self.taken())
    }

    /// Whether a system runs on it.
    ///
    /// # Errors
    /// When the lock cannot be asked.
    pub fn is_held(&self) -> Result<bool> {
        let lock = self.path.join(LOCK_NAME);
        let asked = || {
            format!(
                "could not ask whether a system runs on {}",
                self.path.display()
            )
        };
        let file = match File::open(&lock) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).with_context(asked),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error).with_context(asked),
        }
    }

    /// A new folder, an empty one and one of ours are closed to others. Any other was there for
    /// somebody else first and is left as it is.
    fn make_private(&self) -> io::Result<()> {
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent)?;
        }
        match DirBuilder::new().mode(PRIVATE).create(&self.path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        if fs::metadata(&self.path)?.mode() & 0o077 == 0 {
            return Ok(());
        }
        let is_ours = self.path.join(LOCK_NAME).exists();
        if is_ours || fs::read_dir(&self.path)?.next().is_none() {
            return fs::set_permissions(&self.path, Permissions::from_mode(PRIVATE));
        }
        let path = self.path.display();
        tracing::warn!(
            "others may look into the data folder {path}: close it by `chmod go= {path}`"
        );
        Ok(())
    }

    fn taken(&self) -> String {
        let path = self.path.display();
        let who = match RunFile::read(self) {
            Ok(Some(run)) => format!("process {}, admin API at {}", run.pid, run.console_text()),
            // It may be starting or ending at this moment.
            Ok(None) | Err(_) => "it has not said where".to_owned(),
        };
        format!(
            "a system runs on {path} already ({who}): stop it by `polity down`, or give this one its own data by `--data DIR`"
        )
    }
}

const REMEDY: &str = "give another place by `--data DIR` or POLITY_DATA";

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
