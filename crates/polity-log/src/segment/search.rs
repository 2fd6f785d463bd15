//! Where in a segment an offset, a place or a time is.

use std::io;

use super::{Found, Scan, Segment};
use crate::disk::Disk;
use crate::id::Offset;

impl<D: Disk> Segment<D> {
    /// The first batch that ends at `offset` or later, before the position `end`.
    pub(crate) fn find(&self, offset: Offset, end: u32) -> io::Result<Option<Found>> {
        let from = self.indexed(offset)?;
        self.first(from, end, |found| found.header.last_offset() >= offset)
    }

    /// The first batch at `from`, where one begins, or after it that is as asked for.
    pub(crate) fn first(
        &self,
        from: u32,
        end: u32,
        is_it: impl Fn(&Found) -> bool,
    ) -> io::Result<Option<Found>> {
        let mut scan = Scan::new(self.file()?, from, end);
        while let Some(found) = scan.next()? {
            if is_it(&found) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The largest position at most `limit`, and after `from`, where a batch is known to begin.
    pub(crate) fn boundary(&self, from: u32, limit: u32) -> io::Result<Option<u32>> {
        let entry = self.offsets.search(|entry| entry.position <= limit)?;
        Ok(entry
            .map(|entry| entry.position)
            .filter(|position| *position > from))
    }

    /// The first batch with a timestamp at or after this one, of those that have a record at or after
    /// `start`, before the position `end`.
    pub(crate) fn find_time(
        &self,
        timestamp_ms: i64,
        start: Offset,
        end: u32,
    ) -> io::Result<Option<Found>> {
        // Up to and with the entry's offset all is earlier.
        let entry = self
            .times
            .search(|entry| entry.timestamp_ms < timestamp_ms)?;
        let from = match entry {
            Some(entry) => self.indexed(self.base.plus(i64::from(entry.delta)))?,
            None => 0,
        };
        let is_it = |found: &Found| {
            found.header.max_timestamp_ms >= timestamp_ms && found.header.last_offset() >= start
        };
        self.first(from, end, is_it)
    }

    /// Where to look for an offset: a batch begins there, and the offset is in none before it.
    fn indexed(&self, offset: Offset) -> io::Result<u32> {
        let delta = offset.0 - self.base.0;
        let entry = self
            .offsets
            .search(|entry| i64::from(entry.delta) <= delta)?;
        Ok(entry.map_or(0, |entry| entry.position))
    }
}
