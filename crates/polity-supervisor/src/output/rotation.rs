//! One service's log files: appended to, moved on when full, the oldest removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The files of one service: `current.log`, then `1.log` (the newest of the old) and so on.
#[derive(Debug)]
pub(super) struct Rotation {
    folder: PathBuf,
    limits: Limits,
    /// None until the next write, at first and after a failure.
    current: Option<Current>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes in a file before the next is begun.
    pub file_bytes: u64,
    /// Files in all.
    pub files: usize,
}

#[derive(Debug)]
struct Current {
    file: File,
    length: u64,
}

impl Limits {
    /// 50 MiB a service.
    pub(super) const STANDARD: Limits = Limits {
        file_bytes: 10 << 20,
        files: 5,
    };
}

/// The files in `folder`, newest first, whether they are there or not.
pub(super) fn paths(folder: &Path, limits: Limits) -> impl DoubleEndedIterator<Item = PathBuf> {
    (0..limits.files).map(move |age| path(folder, age))
}

fn path(folder: &Path, age: usize) -> PathBuf {
    match age {
        0 => folder.join("current.log"),
        age => folder.join(format!("{age}.log")),
    }
}

impl Rotation {
    pub(super) fn new(folder: PathBuf, limits: Limits) -> Self {
        Self {
            folder,
            limits,
            current: None,
        }
    }

    /// Appends whole lines, each with its end.
    ///
    /// # Errors
    /// When the disk will not take it. A part may have been written; the next write begins on a line of its
    /// own.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut current = match self.current.take() {
            Some(current) if current.length < self.limits.file_bytes => current,
            Some(full) => {
                drop(full);
                self.rotate()?;
                self.open()?
            }
            None => self.open()?,
        };
        current.file.write_all(lines)?;
        current.length += lines.len() as u64;
        self.current = Some(current);
        Ok(())
    }

    fn open(&self) -> io::Result<Current> {
        fs::create_dir_all(&self.folder)?;
        let path = path(&self.folder, 0);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        let mut length = file.seek(SeekFrom::End(0))?;
        // A crash or a full disk may have cut the last line short.
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                length += 1;
            }
        }
        Ok(Current { file, length })
    }

    fn rotate(&self) -> io::Result<()> {
        // Each is moved over the next older, so that the oldest is replaced.
        let paths: Vec<_> = paths(&self.folder, self.limits).collect();
        for pair in paths.windows(2).rev() {
            match fs::rename(&pair[0], &pair[1]) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        file_bytes: 100,
        files: 3,
    };

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rotation = Rotation::new(folder.path().to_owned(), LIMITS);
        for number in 0..100 {
            rotation
                .append(format!("{number:09}\n").as_bytes())
                .expect("written");
        }
        let mut kept = String::new();
        for path in paths(folder.path(), LIMITS).rev() {
            let text = fs::read_to_string(path).expect("there");
            assert!(text.len() <= 100);
            kept.push_str(&text);
        }
        let expected: String = (70..100).map(|number| format!("{number:09}\n")).collect();
        assert_eq!(kept, expected);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
    }

    #[test]
    fn a_line_cut_short_by_a_crash_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("current.log"), "half a li").expect("written");
        let mut rotation = Rotation::new(folder.path().to_owned(), LIMITS);
        rotation.append(b"whole\n").expect("written");
        let text = fs::read_to_string(folder.path().join("current.log")).expect("there");
        assert_eq!(text, "half a li\nwhole\n");
    }
}
