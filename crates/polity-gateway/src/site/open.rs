//! Opening files below a folder, and nowhere else: not by `..`, not by a symbolic link, not by a race with whoever
//! changes it meanwhile.
//!
//! Linux resolves a whole path so in one call (openat2, since 5.6), and says (since 5.12) when that would mean to
//! wait for a disk. Where it does not, the way is gone name by name.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

/// How long a folder is taken for the one at its path: it may be replaced as a whole.
const REFRESH: Duration = Duration::from_millis(100);

/// As many symbolic links as Linux follows.
const MAX_LINKS: usize = 40;

/// Folders below each other on a way that is gone name by name.
const MAX_DEPTH: usize = 256;

/// How often a way is tried again that was changed meanwhile.
const MAX_RACES: usize = 8;

/// Reading alone; and nothing waits for the other end of a pipe, or becomes a terminal's.
const READING: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Whether a disk may be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// No: only what the system has in its memory is found.
    AtOnce,
    /// Yes.
    Blocking,
}

/// Why there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Miss {
    /// None is there that may be had.
    Nothing,
    /// It would have to be [waited](How::Blocking) for.
    Blocked,
    /// The system cannot say.
    Failed(Errno),
}

/// The folder of a site.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// As it was found last.
    last: ArcSwapOption<Look>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    folder: Option<Arc<OwnedFd>>,
}

impl Root {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: ArcSwapOption::empty(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens what is at `path` below it, to read: a file or a folder, or whatever else is there.
    pub(super) fn open(&self, path: &[u8], how: How) -> Result<File, Miss> {
        let folder = self.folder(how)?;
        let path = match path {
            b"" => b".",
            path => path,
        };
        means::open(folder.as_fd(), path, how).map(File::from)
    }

    fn folder(&self, how: How) -> Result<Arc<OwnedFd>, Miss> {
        if let Some(last) = &*self.last.load()
            && last.at.elapsed() < REFRESH
        {
            return last.folder.clone().ok_or(Miss::Nothing);
        }
        if how == How::AtOnce {
            return Err(Miss::Blocked);
        }
        let opened = rustix::fs::open(&self.path, READING | OFlags::DIRECTORY, Mode::empty());
        let folder = opened.map(Arc::new);
        self.last.store(Some(Arc::new(Look {
            at: Instant::now(),
            folder: folder.as_ref().ok().cloned(),
        })));
        folder.map_err(miss)
    }
}

/// What an error means to who asked for a file.
fn miss(error: Errno) -> Miss {
    match error {
        // Out of the folder, by a link or a race (XDEV); a pipe or a device that nobody serves (NXIO, NODEV).
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::LOOP
        | Errno::XDEV
        | Errno::ACCESS
        | Errno::PERM
        | Errno::NAMETOOLONG
        | Errno::NXIO
        | Errno::NODEV
        | Errno::INVAL
        | Errno::ILSEQ => Miss::Nothing,
        error => Miss::Failed(error),
    }
}

#[cfg(target_os = "linux")]
mod means {
    use std::sync::OnceLock;

    use rustix::fs::{CWD, ResolveFlags, openat2};

    use super::*;

    /// What the system can do.
    #[derive(Debug, Clone, Copy)]
    struct Means {
        beneath: bool,
        cached: bool,
    }

    fn means() -> Means {
        static MEANS: OnceLock<Means> = OnceLock::new();
        *MEANS.get_or_init(|| {
            let try_with = |resolve| {
                openat2(
                    CWD,
                    ".",
                    OFlags::PATH | OFlags::CLOEXEC,
                    Mode::empty(),
                    resolve,
                )
            };
            // A system call filter that does not know it may say that it is not permitted.
            let beneath = !matches!(
                try_with(ResolveFlags::BENEATH),
                Err(Errno::NOSYS | Errno::PERM | Errno::INVAL)
            );
            let cached = beneath
                && !matches!(
                    try_with(ResolveFlags::BENEATH | ResolveFlags::CACHED),
                    Err(Errno::INVAL)
                );
            Means { beneath, cached }
        })
    }

    pub(super) fn open(folder: BorrowedFd<'_>, path: &[u8], how: How) -> Result<OwnedFd, Miss> {
        let Means { beneath, cached } = means();
        match (how, beneath) {
            (How::AtOnce, _) if !cached => Err(Miss::Blocked),
            (How::Blocking, false) => walk(folder, path),
            _ => resolve(folder, path, how),
        }
    }

    fn resolve(folder: BorrowedFd<'_>, path: &[u8], how: How) -> Result<OwnedFd, Miss> {
        let mut flags = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if how == How::AtOnce {
            flags |= ResolveFlags::CACHED;
        }
        for _ in 0..MAX_RACES {
            match openat2(folder, path, READING, Mode::empty(), flags) {
                Err(Errno::AGAIN) if how == How::AtOnce => return Err(Miss::Blocked),
                // Something on the way was moved meanwhile.
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return opened.map_err(miss),
            }
        }
        Err(Miss::Nothing)
    }
}

#[cfg(not(target_os = "linux"))]
mod means {
    use super::*;

    pub(super) fn open(folder: BorrowedFd<'_>, path: &[u8], how: How) -> Result<OwnedFd, Miss> {
        match how {
            How::AtOnce => Err(Miss::Blocked),
            How::Blocking => walk(folder, path),
        }
    }
}

/// Goes the way name by name, and follows links itself. The folders on the way are held open: what `..` in a
/// link leads back to is where the way has come from, whatever is moved meanwhile.
fn walk(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Miss> {
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        let names = path.split(|byte| *byte == b'/');
        names.map(<[u8]>::to_vec).collect()
    };
    let mut ahead = VecDeque::from(names(path));
    let mut way: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        match &name[..] {
            b"" | b"." => continue,
            b".." => {
                way.pop().ok_or(Miss::Nothing)?;
                continue;
            }
            _ => {}
        }
        let here = way.last().map_or(root, OwnedFd::as_fd);
        let opened = rustix::fs::openat(here, &name[..], READING | OFlags::NOFOLLOW, Mode::empty());
        let opened = match opened {
            Err(Errno::LOOP | Errno::MLINK) => {
                let link = rustix::fs::readlinkat(here, &name[..], Vec::new()).map_err(miss)?;
                links += 1;
                if link.as_bytes().starts_with(b"/") || links > MAX_LINKS {
                    return Err(Miss::Nothing);
                }
                for name in names(link.as_bytes()).into_iter().rev() {
                    ahead.push_front(name);
                }
                continue;
            }
            opened => opened.map_err(miss)?,
        };
        let about = rustix::fs::fstat(&opened).map_err(Miss::Failed)?;
        if FileType::from_raw_mode(about.st_mode) == FileType::Directory {
            if way.len() == MAX_DEPTH {
                return Err(Miss::Nothing);
            }
            way.push(opened);
            continue;
        }
        return match ahead.is_empty() {
            true => Ok(opened),
            // Only a folder has something below it, or a slash behind it.
            false => Err(Miss::Nothing),
        };
    }
    match way.pop() {
        Some(folder) => Ok(folder),
        None => root
            .try_clone_to_owned()
            .map_err(|_| Miss::Failed(Errno::MFILE)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder in which there are ways out of it.
    fn maze() -> tempfile::TempDir {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let at = |path: &str| outside.path().join(path);
        fs::create_dir_all(at("root/a/b")).expect("made");
        fs::write(at("secret"), "secret").expect("written");
        fs::write(at("root/file"), "file").expect("written");
        fs::write(at("root/a/b/deep"), "deep").expect("written");
        for (link, to) in [
            ("root/inside", "a/b/deep"),
            ("root/a/up", "../file"),
            ("root/a/folder", "b"),
            ("root/out", "../secret"),
            ("root/a/out", "../../secret"),
            ("root/parent", ".."),
            ("root/absolute", "/etc/passwd"),
            ("root/slash", "/"),
            ("root/self", "self"),
            ("root/one", "two"),
            ("root/two", "one"),
            ("root/nowhere", "missing"),
            ("root/proc", "/proc/self/root"),
            ("root/around", "a/../../root/file"),
        ] {
            symlink(to, at(link)).expect("linked");
        }
        outside
    }

    /// What is opened, by both means.
    fn read(maze: &tempfile::TempDir, path: &str) -> [Result<String, Miss>; 2] {
        let root = Root::new(maze.path().join("root"));
        let folder = root.folder(How::Blocking).expect("it is there");
        let by_call = root.open(path.as_bytes(), How::Blocking);
        let by_walk = walk(folder.as_fd(), path.as_bytes()).map(File::from);
        [by_call, by_walk].map(|opened| {
            let mut text = String::new();
            match opened?.read_to_string(&mut text) {
                Ok(_) => Ok(text),
                Err(_) => Ok("a folder".to_owned()),
            }
        })
    }

    #[test]
    fn what_is_below_the_folder_is_opened() {
        let maze = maze();
        for (path, expected) in [
            ("file", "file"),
            ("a/b/deep", "deep"),
            ("inside", "deep"),
            ("a/up", "file"),
            ("a/folder/deep", "deep"),
            ("a/folder/", "a folder"),
            ("a", "a folder"),
            ("a/", "a folder"),
            ("", "a folder"),
        ] {
            let expected = Ok(expected.to_owned());
            assert_eq!(read(&maze, path), [expected.clone(), expected], "{path}");
        }
    }

    #[test]
    fn nothing_leads_out_of_it() {
        let maze = maze();
        for path in [
            "..",
            "../secret",
            "a/../../secret",
            "/etc/passwd",
            "out",
            "a/out",
            "parent/secret",
            "parent",
            "absolute",
            "slash/etc/passwd",
            "self",
            "one",
            "nowhere",
            "proc/etc/passwd",
            "around",
            "missing",
            "file/",
            "file/x",
            &"a/".repeat(3000),
            &"x".repeat(300),
        ] {
            // The kernel takes an absolute path for a way out; name by name it is one from the root, where
            // there is no such thing.
            assert_eq!(
                read(&maze, path),
                [Err(Miss::Nothing), Err(Miss::Nothing)],
                "{path}"
            );
        }
    }

    #[test]
    fn a_pipe_without_a_writer_is_not_waited_for() {
        let maze = maze();
        let pipe = maze.path().join("root/pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).expect("made");
        // That it comes to an end is what is shown.
        assert!(read(&maze, "pipe").iter().all(Result::is_ok));
    }

    #[test]
    fn what_was_not_looked_up_before_is_not_found_at_once() {
        let maze = maze();
        let root = Root::new(maze.path().join("root"));
        assert_eq!(
            root.open(b"file", How::AtOnce).map(drop),
            Err(Miss::Blocked)
        );
        assert_eq!(root.open(b"file", How::Blocking).map(drop), Ok(()));
    }

    #[test]
    fn a_folder_that_is_replaced_is_found_anew() {
        let maze = maze();
        let root = Root::new(maze.path().join("root"));
        assert_eq!(root.open(b"file", How::Blocking).map(drop), Ok(()));
        fs::rename(maze.path().join("root"), maze.path().join("before")).expect("moved");
        fs::create_dir(maze.path().join("root")).expect("made");
        fs::write(maze.path().join("root/new"), "new").expect("written");
        let start = Instant::now();
        while root.open(b"new", How::Blocking).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "never");
        }
        assert_eq!(
            root.open(b"file", How::Blocking).map(drop),
            Err(Miss::Nothing)
        );
    }

    #[test]
    fn a_folder_that_is_not_there_has_nothing() {
        let root = Root::new("/nowhere/at/all".into());
        assert_eq!(
            root.open(b"file", How::Blocking).map(drop),
            Err(Miss::Nothing)
        );
        let at_once = root.open(b"file", How::AtOnce).map(drop);
        assert!(matches!(at_once, Err(Miss::Nothing | Miss::Blocked)));
    }
}
