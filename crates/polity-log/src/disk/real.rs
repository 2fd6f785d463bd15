//! The machine's own file system.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::io::{Errno, pwritev};

use super::{Disk, Entry, File};

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

/// A file of it. Its descriptor can be handed to sendfile(2).
#[derive(Debug)]
pub struct RealFile {
    file: fs::File,
    #[cfg(any(test, feature = "simulation"))]
    faults: super::faults::Faults,
}

impl RealFile {
    fn new(_path: &Path, file: fs::File) -> Self {
        Self {
            file,
            #[cfg(any(test, feature = "simulation"))]
            faults: super::faults::Faults::of(_path),
        }
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn open(&self, path: &Path) -> io::Result<RealFile> {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map(|file| RealFile::new(path, file))
    }

    fn create(&self, path: &Path) -> io::Result<RealFile> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        options.open(path).map(|file| RealFile::new(path, file))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let what = entry.metadata()?;
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(Entry {
                    name,
                    is_folder: what.is_dir(),
                    length: what.len(),
                });
            }
        }
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }
}

impl File for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, [mut head, mut tail]: [&[u8]; 2], mut at: u64) -> io::Result<()> {
        #[cfg(any(test, feature = "simulation"))]
        self.faults.write()?;
        while !(head.is_empty() && tail.is_empty()) {
            let written = match pwritev(&self.file, &[IoSlice::new(head), IoSlice::new(tail)], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            at += written as u64;
            let of_head = written.min(head.len());
            head = head.get(of_head..).unwrap_or_default();
            tail = tail.get(written - of_head..).unwrap_or_default();
        }
        Ok(())
    }

    /// The length is made durable with the data that it covers (fdatasync(2)).
    fn sync(&self) -> io::Result<()> {
        #[cfg(any(test, feature = "simulation"))]
        self.faults.sync()?;
        self.file.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

impl AsFd for RealFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
