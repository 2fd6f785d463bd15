//! The headers of a segment's batches, one after the other, without what is between them.

use std::io;
use std::sync::Arc;

use crate::batch::{HEADER, Header};
use crate::disk::File;

/// Read at once where batches are short: as much as stands between two entries of an index.
const WINDOW: usize = 4096;

/// A batch and where it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) header: Header,
    pub(crate) position: u32,
}

impl Found {
    /// Where the next one begins.
    pub(crate) fn end(&self) -> u32 {
        self.position + self.header.length as u32
    }
}

/// Walks from batch to batch. What it reads was checked when it was written or at the start, so it
/// believes headers, but not that they lead anywhere outside.
pub(crate) struct Scan<F> {
    file: Arc<F>,
    position: u32,
    end: u32,
    window: Vec<u8>,
    window_at: u32,
    /// Read next.
    wanted: usize,
}

impl<F: File> Scan<F> {
    /// The batches that begin at `position` and later and end by `end`.
    pub(crate) fn new(file: Arc<F>, position: u32, end: u32) -> Self {
        Self {
            file,
            position,
            end,
            window: Vec::new(),
            window_at: 0,
            wanted: HEADER,
        }
    }

    /// The next one; None at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        if self.position >= self.end {
            return Ok(None);
        }
        if self.in_window().is_none() {
            self.fill()?;
        }
        let bytes = self.in_window().unwrap_or_default();
        let malformed = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let header = Header::parse(bytes)
            .map_err(|error| malformed(format!("at position {}: {error}", self.position)))?;
        let found = Found {
            header,
            position: self.position,
        };
        if header.length > (self.end - self.position) as usize {
            return Err(malformed(format!(
                "the batch at position {} is cut off",
                self.position
            )));
        }
        self.position = found.end();
        // What is behind the header of a long batch is read in vain, and mostly by those who look for that
        // header alone.
        self.wanted = match header.length < WINDOW {
            true => WINDOW,
            false => HEADER,
        };
        Ok(Some(found))
    }

    fn in_window(&self) -> Option<&[u8]> {
        let from = self.position.checked_sub(self.window_at)? as usize;
        self.window
            .get(from..)
            .filter(|bytes| bytes.len() >= HEADER)
    }

    fn fill(&mut self) -> io::Result<()> {
        let length = self.wanted.min((self.end - self.position) as usize);
        self.window.resize(length, 0);
        let read = self
            .file
            .read_at(&mut self.window, u64::from(self.position))?;
        self.window.truncate(read);
        self.window_at = self.position;
        Ok(())
    }
}
