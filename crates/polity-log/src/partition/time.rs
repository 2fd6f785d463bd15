//! Offsets by time.

use std::io;

use super::read::{end_in, limit};
use super::{Isolation, Partition};
use crate::batch::Records;
use crate::disk::{Disk, File};
use crate::error::{IoError, ReadError};
use crate::id::{LeaderEpoch, Offset};
use crate::segment::{Found, NO_TIMESTAMP, Segment};

/// A record's offset and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOffset {
    /// Its offset.
    pub offset: Offset,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Of the batch it is in.
    pub leader_epoch: LeaderEpoch,
}

impl<D: Disk> Partition<D> {
    /// The first record with this timestamp or a later one. In a compressed batch, which is not opened for
    /// it, the batch's first record.
    ///
    /// # Errors
    ///
    /// Where the topic is deleted, or the disk fails.
    pub fn offset_for_time(
        &self,
        timestamp_ms: i64,
        isolation: Isolation,
    ) -> Result<Option<TimedOffset>, ReadError> {
        let found = self.undisturbed(|| self.search_time(timestamp_ms, isolation));
        self.refuse_if_deleted()?;
        Ok(found.map_err(IoError::at(&self.folder))?)
    }

    /// The first record with the latest timestamp of those that may be read.
    ///
    /// # Errors
    ///
    /// Where the topic is deleted, or the disk fails.
    pub fn offset_of_latest_time(
        &self,
        isolation: Isolation,
    ) -> Result<Option<TimedOffset>, ReadError> {
        let found = self.undisturbed(|| self.search_latest(isolation));
        self.refuse_if_deleted()?;
        Ok(found.map_err(IoError::at(&self.folder))?)
    }

    fn search_latest(&self, isolation: Isolation) -> io::Result<Option<TimedOffset>> {
        let view = self.view();
        let limit = limit(&view, isolation);
        let mut latest = NO_TIMESTAMP;
        for segment in self.segments_from(view.start, limit.segment) {
            let is_whole = segment.base >= view.start && segment.base < limit.segment;
            let largest = match is_whole {
                true => segment.largest_timestamp_ms()?,
                // The largest may be of a record that is gone, or does not count yet.
                false => {
                    segment.largest_between(view.start, limit.offset, end_in(&segment, limit))?
                }
            };
            latest = latest.max(largest);
        }
        match latest {
            NO_TIMESTAMP => Ok(None),
            latest => self.search_time(latest, isolation),
        }
    }

    fn search_time(
        &self,
        timestamp_ms: i64,
        isolation: Isolation,
    ) -> io::Result<Option<TimedOffset>> {
        let view = self.view();
        let limit = limit(&view, isolation);
        for segment in self.segments_from(view.start, limit.segment) {
            if segment.largest_timestamp_ms()? < timestamp_ms {
                continue;
            }
            let end = end_in(&segment, limit);
            if let Some(found) = segment.find_time(timestamp_ms, view.start, end)? {
                return first_record(&segment, &found, timestamp_ms, view.start).map(Some);
            }
        }
        Ok(None)
    }
}

/// The record in the batch that is asked for.
fn first_record<D: Disk>(
    segment: &Segment<D>,
    found: &Found,
    timestamp_ms: i64,
    start: Offset,
) -> io::Result<TimedOffset> {
    let header = &found.header;
    let mut bytes = vec![0; header.length];
    let read = segment
        .file()?
        .read_at(&mut bytes, u64::from(found.position))?;
    let records = Records::of(header, bytes.get(..read).unwrap_or_default());
    let is_it = |at: i64, offset: Offset| at >= timestamp_ms && offset >= start;
    let record = records.ok().and_then(|records| {
        let times = records
            .map_while(Result::ok)
            .map(|it| (it.timestamp_ms(header), it.offset(header)));
        times.into_iter().find(|(at, offset)| is_it(*at, *offset))
    });
    let (timestamp_ms, offset) =
        record.unwrap_or((header.max_timestamp_ms, header.base_offset.max(start)));
    Ok(TimedOffset {
        offset,
        timestamp_ms,
        leader_epoch: header.leader_epoch,
    })
}
