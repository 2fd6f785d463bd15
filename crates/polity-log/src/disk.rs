//! What the log asks of a file system, so that a test can be the one who answers.
//!
//! What counts is what a disk promises after a power cut: bytes are there that were synced through
//! their file, names that were synced through their folder, and nothing else.

#[cfg(any(test, feature = "simulation"))]
pub mod faults;
mod files;
mod real;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;

use std::path::Path;
use std::{fmt, io};

pub(crate) use files::{Files, Handle};
pub use real::{RealDisk, RealFile};

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Its files.
    type File: File;

    /// Opens a file that is there, to read and to write.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Makes a file, empty even if there was one.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Makes a folder, unless it is there; the one above it is.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// What is in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;
    /// Gives a file or folder another name on the same disk, in the place of any other of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with the files in it.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// An open file. It stays readable when its name is gone.
pub trait File: fmt::Debug + Send + Sync + 'static {
    /// In bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads from a place; fewer bytes than `buffer` has only at the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes one part after the other to a place. After an error, any of the bytes may be there.
    fn write_at(&self, parts: [&[u8]; 2], at: u64) -> io::Result<()>;
    /// Makes the bytes and the length durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts it to a length.
    fn truncate(&self, length: u64) -> io::Result<()>;
}

/// What a folder has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Without the folder.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_folder: bool,
    /// Bytes of a file.
    pub length: u64,
}

/// Whether there is no room on the disk: nothing is wrong with it, and there may be room again.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Whether the system has no descriptor or no memory to spare: nothing is wrong with the disk.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|code| exhausted.contains(&code))
}

/// Writes a small file so that after a crash there is the old one or the new one, whole.
pub(crate) fn write_atomically<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(TEMPORARY);
    let temporary = folder.join(name);
    let file = disk.create(&temporary)?;
    file.write_at([bytes, &[]], 0)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_folder(folder)
}

/// What the names of half-written files end in.
pub(crate) const TEMPORARY: &str = ".tmp";

/// A small file's bytes; None if there is none. Of one that is longer than `max`, and so damaged, no more than
/// shows it.
pub(crate) fn read_small<D: Disk>(
    disk: &D,
    path: &Path,
    max: usize,
) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let length = usize::try_from(file.length()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length.min(max + 1)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
