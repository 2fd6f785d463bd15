//! Ids for producers: never the same twice, whatever happens in between.
//!
//! They are taken in blocks: the end of a block is on the disk before the first of it is given out,
//! and after a crash what was left of the block is skipped.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{io, ops::Range};

use crate::StartError;
use crate::small_file;

const FILE: &str = "producer.ids";

/// Ids that are taken at once, as in Kafka.
const BLOCK: i64 = 1000;

/// Gives ids to producers.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    path: PathBuf,
    left: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// Goes on after the last block that was taken.
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
        let left = Mutex::new(next..next);
        Ok(Self { path, left })
    }

    /// An id that no producer has had.
    ///
    /// # Errors
    /// When a new block is needed and cannot be written down.
    pub(crate) fn next(&self) -> io::Result<i64> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = left.next() {
            return Ok(id);
        }
        let end = left
            .end
            .checked_add(BLOCK)
            .ok_or(io::ErrorKind::QuotaExceeded)?;
        small_file::replace(&self.path, &end.to_string())?;
        *left = left.end..end;
        left.next()
            .ok_or_else(|| io::ErrorKind::QuotaExceeded.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_given_twice_though_the_process_dies() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || ProducerIds::open(folder.path()).expect("it opens");
        let mut given = Vec::new();
        for _ in 0..3 {
            let ids = open();
            given.extend((0..=BLOCK).map(|_| ids.next().expect("an id")));
        }
        let count = given.len();
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), count);
    }
}
