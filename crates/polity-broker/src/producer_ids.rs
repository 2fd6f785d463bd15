//! Where blocks of producer ids are reserved: a number in a file beside the log.
//!
//! The end of a block is on the disk before the first of it is given out, and after a crash what was
//! left of the block is skipped: no id is given twice.

use std::io;
use std::path::{Path, PathBuf};

use crate::StartError;
use crate::journal::AppendError;
use crate::small_file;
use crate::transaction::IdBlocks;

const FILE: &str = "producer.ids";

/// The blocks that are reserved already.
#[derive(Debug)]
pub(crate) struct IdFile {
    path: PathBuf,
    next: i64,
}

impl IdFile {
    /// Goes on after the last block that was reserved.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a number.
    pub(crate) fn open(data: &Path) -> Result<Self, StartError> {
        let path = data.join(FILE);
        let next = small_file::read(&path).and_then(|text| match text {
            None => Ok(0),
            Some(text) => text.trim().parse().map_err(io::Error::other),
        });
        let next = next.map_err(|source| StartError::File {
            path: path.clone(),
            source,
        })?;
        Ok(Self { path, next })
    }
}

impl IdBlocks for IdFile {
    fn reserve(&mut self, count: i64) -> Result<i64, AppendError> {
        let first = self.next;
        let end = first.checked_add(count).ok_or(AppendError::Unavailable)?;
        if let Err(error) = small_file::replace(&self.path, &end.to_string()) {
            tracing::error!(%error, "{} could not be written", self.path.display());
            return Err(AppendError::Unavailable);
        }
        self.next = end;
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_is_given_twice_though_the_process_dies() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || IdFile::open(folder.path()).expect("it opens");
        let mut ids = open();
        assert_eq!((ids.reserve(10), ids.reserve(10)), (Ok(0), Ok(10)));
        assert_eq!(open().reserve(5), Ok(20));
        assert_eq!(open().reserve(5), Ok(25));
    }
}
