//! Changes of files below folders, as the kernel tells them (inotify(7)).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::unix::AsyncFd;

use super::settle::Changes;

/// How many folders one service may have watched; the kernel's own bound is for the whole user.
pub(crate) const MAX_FOLDERS: usize = 4096;

/// Folders that hold what is made from the sources, and would rebuild for ever.
const NEVER_SOURCES: &[&str] = &[".git", "__pycache__", "node_modules", "target"];

/// Room for the events of one read; each takes up to 272 bytes.
const EVENTS_BYTES: usize = 8 * 1024;

/// Watched folders.
pub(super) struct Files {
    inotify: AsyncFd<OwnedFd>,
    /// What is never told of: the data folder, and what the build makes.
    made: Vec<PathBuf>,
    folders: BTreeMap<i32, Folder>,
}

struct Folder {
    path: PathBuf,
    /// The files that are watched there; none for everything, folders below included.
    only: Option<BTreeSet<Vec<u8>>>,
}

impl Files {
    /// Watches files, and folders with all that is below them, but for what is `made` and what is
    /// never source.
    pub(super) fn open(paths: Vec<PathBuf>, made: Vec<PathBuf>) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that change their descriptor; this one does not"
        )]
        let inotify = AsyncFd::new(inotify)?;
        let mut files = Self {
            inotify,
            made,
            folders: BTreeMap::new(),
        };
        for path in paths {
            let metadata = fs::metadata(&path);
            let metadata = metadata.map_err(|error| at(&path, error))?;
            if metadata.is_dir() {
                files.add_tree(path)?;
                continue;
            }
            // Its folder is watched, because editors replace a file instead of writing to it.
            let (folder, name) = (path.parent(), path.file_name());
            let names = name.map(|name| BTreeSet::from([name.as_bytes().to_owned()]));
            files.add(folder.unwrap_or(Path::new("/")).to_owned(), names)?;
        }
        Ok(files)
    }

    fn add_tree(&mut self, top: PathBuf) -> io::Result<()> {
        let mut found = vec![top];
        while let Some(path) = found.pop() {
            self.add(path.clone(), None)?;
            for entry in fs::read_dir(&path).map_err(|error| at(&path, error))? {
                let entry = entry?;
                // Symbolic links are not followed: they may lead in a circle.
                if entry.file_type()?.is_dir() && self.may_hold_sources(&entry.path()) {
                    found.push(entry.path());
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, only: Option<BTreeSet<Vec<u8>>>) -> io::Result<()> {
        if self.folders.len() >= MAX_FOLDERS {
            let message =
                format!("more than {MAX_FOLDERS} folders to watch; name fewer in `watch`");
            return Err(io::Error::other(message));
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        let watch = inotify::add_watch(self.inotify.get_ref(), &path, flags);
        let watch = watch.map_err(|error| at(&path, error.into()))?;
        // The kernel knows a folder once, however often it is asked for: all that is asked counts.
        let only = match (self.folders.remove(&watch).map(|known| known.only), only) {
            (Some(Some(known)), Some(more)) => Some(known.into_iter().chain(more).collect()),
            (None, only) => only,
            (Some(None), _) | (_, None) => None,
        };
        self.folders.insert(watch, Folder { path, only });
        Ok(())
    }

    fn may_hold_sources(&self, folder: &Path) -> bool {
        let name = folder.file_name().and_then(OsStr::to_str);
        let is_made = self.made.iter().any(|made| made == folder);
        !is_made && !name.is_some_and(|name| NEVER_SOURCES.contains(&name))
    }

    /// Reads what there is to read, and says whether any of it is a change to tell.
    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
        let mut seen = Vec::new();
        let mut reader = Reader::new(self.inotify.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_bytes().to_owned());
                    seen.push((event.wd(), event.events(), name.unwrap_or_default()));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) if seen.is_empty() => return Err(error.into()),
                Err(_) => break,
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
        let mut changed = false;
        for (watch, events, name) in seen {
            changed |= self.is_change(watch, events, &name);
        }
        Ok(changed)
    }

    fn is_change(&mut self, watch: i32, events: ReadFlags, name: &[u8]) -> bool {
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            // Changes were lost, so there were changes.
            return true;
        }
        if events.contains(ReadFlags::IGNORED) {
            self.folders.remove(&watch);
            return false;
        }
        let Some(folder) = self.folders.get(&watch) else {
            return false;
        };
        if let Some(only) = &folder.only {
            return only.contains(name);
        }
        let path = folder.path.join(OsStr::from_bytes(name));
        if !self.may_hold_sources(&path) || is_scratch(name) {
            return false;
        }
        let appeared = events.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        if appeared && events.contains(ReadFlags::ISDIR) {
            // What was written into it before it was watched is part of this change. It may be gone
            // again, or be one too many; the folders known stay watched.
            if let Err(error) = self.add_tree(path) {
                tracing::warn!(%error, "a new folder is not watched");
            }
        }
        true
    }
}

impl Changes for Files {
    async fn next(&mut self) -> Option<()> {
        loop {
            match self.read() {
                Ok(true) => return Some(()),
                Ok(false) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::warn!(%error, "watched files are watched no more");
                    return None;
                }
            }
            // Only once everything is read: what a full buffer left over wakes nobody again.
            let mut ready = self.inotify.readable_mut().await.ok()?;
            ready.clear_ready();
        }
    }
}

/// What editors write beside the file that is edited.
fn is_scratch(name: &[u8]) -> bool {
    let ends = [&b"~"[..], b".swp", b".swx", b".tmp"];
    name == b"4913" || name.starts_with(b".#") || ends.iter().any(|end| name.ends_with(end))
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
