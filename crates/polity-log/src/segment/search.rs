//! Where in a segment an offset, a place or a time is.
//!
//! An index is believed only as far as the batch that it points to bears it out: it may have been
//! damaged, or be of another time.

use std::io;

use super::index::{OffsetEntry, Share, TimeEntry};
use super::{Found, NO_TIMESTAMP, Scan, Segment};
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

    /// The last offset of its batches, as far as they are whole; None where there is none.
    pub(crate) fn last_offset(&self) -> io::Result<Option<Offset>> {
        let from = self
            .entry(None, |_| true)?
            .map_or(0, |found| found.position);
        let mut scan = Scan::new(self.file()?, from, self.size());
        let mut last = None;
        loop {
            match scan.next() {
                Ok(Some(found)) => last = Some(found.header.last_offset()),
                Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
                _ => return Ok(last),
            }
        }
    }

    /// The batch that begins at the largest position at most `limit`, and after `from`, where one is known to
    /// begin.
    pub(crate) fn boundary(&self, from: u32, limit: u32) -> io::Result<Option<Found>> {
        let (part, whole) = (limit, self.size());
        let found = self.entry(Some(Share { part, whole }), |entry| entry.position <= limit)?;
        Ok(found.filter(|found| found.position > from))
    }

    /// The first batch with a timestamp at or after this one, of those that have a record at or after
    /// `start`, before the position `end`.
    pub(crate) fn find_time(
        &self,
        timestamp_ms: i64,
        start: Offset,
        end: u32,
    ) -> io::Result<Option<Found>> {
        let from = self.time_indexed(timestamp_ms)?;
        let is_it = |found: &Found| {
            found.header.max_timestamp_ms >= timestamp_ms && found.header.last_offset() >= start
        };
        self.first(from, end, is_it)
    }

    /// The latest timestamp of the batches that have a record at or after `start` and are before `limit`,
    /// which is at the position `end`; or [`NO_TIMESTAMP`].
    pub(crate) fn largest_between(
        &self,
        start: Offset,
        limit: Offset,
        end: u32,
    ) -> io::Result<i64> {
        let last_of = |entry: &TimeEntry| self.base.plus(i64::from(entry.delta));
        let entry = self.times.search(None, |entry| last_of(entry) < limit)?;
        // None before it is later, so it is the first that has to be looked at.
        let known = match entry.filter(|entry| last_of(entry) >= start) {
            Some(entry) => self.bears_out(&entry)?,
            None => None,
        };
        let from = match known {
            Some(position) => position,
            None => self.indexed(start)?,
        };
        let mut largest = NO_TIMESTAMP;
        let mut scan = Scan::new(self.file()?, from, end);
        while let Some(found) = scan.next()? {
            if found.header.last_offset() >= start {
                largest = largest.max(found.header.max_timestamp_ms);
            }
        }
        Ok(largest)
    }

    /// Whether batches bear out the last entries of its indexes.
    pub(crate) fn are_indexes_right(&self) -> io::Result<bool> {
        let had = self.index_entries();
        let last = self
            .times
            .last()?
            .map(|last| self.bears_out(&last))
            .transpose()?;
        self.entry(None, |_| true)?;
        // What is not borne out is taken away.
        Ok(last != Some(None) && self.index_entries() == had)
    }

    /// The latest of its timestamps, as its index says and the batch bears out.
    pub(super) fn last_time(&self) -> io::Result<Option<TimeEntry>> {
        let last = self.times.last()?;
        match last.map(|last| self.bears_out(&last)).transpose()? {
            Some(None) => {
                self.repair()?;
                self.times.last()
            }
            _ if last.is_none() && self.size() > 0 => {
                self.repair()?;
                self.times.last()
            }
            _ => Ok(last),
        }
    }

    /// Where to look for a time: all batches before it are earlier.
    fn time_indexed(&self, timestamp_ms: i64) -> io::Result<u32> {
        let Some(entry) = self
            .times
            .search(None, |entry| entry.timestamp_ms < timestamp_ms)?
        else {
            return Ok(0);
        };
        match self.bears_out(&entry)? {
            Some(position) => Ok(position),
            None => {
                self.repair()?;
                Ok(0)
            }
        }
    }

    /// Where the batch is that an entry is about, if it is as the entry says.
    fn bears_out(&self, entry: &TimeEntry) -> io::Result<Option<u32>> {
        let found = self.find(self.base.plus(i64::from(entry.delta)), self.size())?;
        let found = found.filter(|found| found.header.max_timestamp_ms == entry.timestamp_ms);
        Ok(found.map(|found| found.position))
    }

    /// Where to look for an offset: a batch begins there, and the offset is in none before it.
    fn indexed(&self, offset: Offset) -> io::Result<u32> {
        let delta = offset.0 - self.base.0;
        let found = self.entry(None, |entry| i64::from(entry.delta) <= delta)?;
        Ok(found.map_or(0, |found| found.position))
    }

    /// The batch that the last entry is about for which it holds, if one as it says begins there.
    fn entry(
        &self,
        share: Option<Share>,
        is_before: impl Fn(&OffsetEntry) -> bool,
    ) -> io::Result<Option<Found>> {
        let entry = match self.offsets.search(share, is_before) {
            // Its file has become shorter.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return self.repair().map(|()| None);
            }
            entry => entry?,
        };
        let Some(entry) = entry else {
            return Ok(None);
        };
        let last = self.base.plus(i64::from(entry.delta));
        match Scan::new(self.file()?, entry.position, self.size()).next() {
            Ok(Some(found)) if found.header.last_offset() == last => return Ok(Some(found)),
            // That a disk does not answer says nothing of the index.
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
            _ => {}
        }
        self.repair()?;
        Ok(None)
    }
}
