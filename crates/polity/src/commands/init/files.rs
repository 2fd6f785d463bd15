//! A folder as recognition sees it: small text files and the names of folders, nothing else.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest file that is looked into; what tells a program stands early or in short ones.
const MAX_BYTES: u64 = 1024 * 1024;

/// Read access to a folder by paths relative to it, `/` between their parts.
pub trait Files {
    /// The text of a file; none when there is none, or it is not text.
    fn read(&self, path: &str) -> Option<String>;

    /// Whether there is a file or a folder.
    fn exists(&self, path: &str) -> bool;

    /// The names of the folders in a folder, in order.
    fn folders(&self, path: &str) -> Vec<String>;

    /// The names of the files in a folder, in order.
    fn names(&self, path: &str) -> Vec<String>;
}

/// A real folder.
#[derive(Debug)]
pub struct OnDisk {
    root: PathBuf,
}

impl OnDisk {
    pub fn new(root: &Path) -> Self {
        let root = root.to_owned();
        Self { root }
    }

    fn entries(&self, path: &str, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(path)) else {
            return Vec::new();
        };
        // Links are followed for files only: a link to a folder may lead in circles.
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| wanted(&entry.path()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}

impl Files for OnDisk {
    fn read(&self, path: &str) -> Option<String> {
        let path = self.root.join(path);
        if !path.is_file() {
            return None;
        }
        let mut text = Vec::new();
        File::open(path)
            .ok()?
            .take(MAX_BYTES)
            .read_to_end(&mut text)
            .ok()?;
        String::from_utf8(text).ok()
    }

    fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn folders(&self, path: &str) -> Vec<String> {
        self.entries(path, |path| path.is_dir() && !path.is_symlink())
    }

    fn names(&self, path: &str) -> Vec<String> {
        self.entries(path, Path::is_file)
    }
}

/// `name` in the folder `dir`, where `.` is the root.
pub fn join(dir: &str, name: &str) -> String {
    match dir {
        "." => name.to_owned(),
        _ => format!("{dir}/{name}"),
    }
}
