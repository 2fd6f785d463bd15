//! What a start makes of a partition's files.
//!
//! The newest checkpoint vouches for all before it. Everything after it is verified batch by batch; at the
//! first that is not whole or does not follow, the log ends: that is how far a killed machine got. What is
//! beyond was never acknowledged, or [`Durability::Os`](super::Durability::Os) was asked for.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::compact::has_gaps;
use super::open::{Place, Recovery};
use super::retain::{before_start, read_start};
use super::{Mark, Partition, Writer};
use crate::batch::{ControlRecord, Header, Records};
use crate::checkpoint::{CHECKPOINT, Checkpoint};
use crate::disk::{Disk, Entry, TEMPORARY};
use crate::id::{LeaderEpoch, Offset};
use crate::segment::{self, Scan, Segment};
use crate::transaction::Transactions;

#[cfg(test)]
#[path = "recover_tests.rs"]
mod tests;

/// A partition on its way.
pub(super) struct Replay<'a, D: Disk> {
    place: &'a Place<'a, D>,
    folder: PathBuf,
    segments: Vec<Arc<Segment<D>>>,
    entries: &'a [Entry],
    index_interval: u32,
    /// Compaction has left some, and no checkpoint vouches for what is before them.
    has_gaps: bool,
    recovery: Recovery,
}

impl<'a, D: Disk> Replay<'a, D> {
    pub(super) fn new(
        place: &'a Place<'a, D>,
        segments: Vec<Arc<Segment<D>>>,
        entries: &'a [Entry],
    ) -> Self {
        let config = place.config.read().unwrap_or_else(PoisonError::into_inner);
        let (index_interval, recovery) = (config.index_interval_bytes, Recovery::default());
        Self {
            place,
            folder: place.folder(),
            segments,
            entries,
            index_interval,
            has_gaps: false,
            recovery,
        }
    }

    pub(super) fn run(mut self) -> io::Result<(Arc<Partition<D>>, Recovery)> {
        let disk = &self.place.shared.files.disk;
        let start = read_start(disk, &self.folder);
        if start.is_some() {
            // A killed process may not have got to that, and what is removed for it cannot come back.
            disk.sync_folder(&self.folder)?;
        }
        let checkpoint = self.checkpoint();
        // A crash came before they were removed.
        let vouched = checkpoint.as_ref().map_or(Offset::ZERO, |it| it.at.segment);
        let gone = start.map_or(0, |start| before_start(&self.segments, start.min(vouched)));
        for segment in self.segments.drain(..gone) {
            segment.remove()?;
        }
        self.has_gaps = checkpoint.is_none() && has_gaps(disk, &self.folder);
        let from = checkpoint.as_ref().map(|it| it.at);
        let mut state = self.state(checkpoint)?;
        let first = from.map_or(0, |at| {
            self.segments.partition_point(|it| it.base < at.segment)
        });
        self.prepare(first, from, &state)?;
        self.replay(first, from, &mut state)?;
        let State {
            mut writer,
            transactions,
        } = state;
        writer.active = self.segments.last().cloned().unwrap_or(writer.active);
        writer.first_timestamp_ms = first_timestamp(&writer.active)?;
        // Who was not closed may have lost what was read or copied elsewhere: the epoch tells the two ends apart.
        let last = writer.epochs.last().unwrap_or(LeaderEpoch(0));
        let is_clean = self.recovery.verified == 0 && self.recovery.truncated == 0;
        writer.leader_epoch = LeaderEpoch(last.0 + i32::from(!is_clean));
        self.sync(first, from, writer.mark())?;

        let partition = self
            .place
            .partition(self.segments, writer, transactions, from, start);
        Ok((partition, self.recovery))
    }

    /// The newest checkpoint that belongs to the segments.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let offsets = self
            .entries
            .iter()
            .filter_map(|it| segment::parse_name(&it.name, CHECKPOINT));
        let mut offsets: Vec<Offset> = offsets.collect();
        offsets.sort_unstable();
        let read = |offset: &Offset| {
            let path = self.folder.join(segment::name(*offset, CHECKPOINT));
            let checkpoint = Checkpoint::read(&self.place.shared.files.disk, &path);
            checkpoint.filter(|it| it.at.offset == *offset && self.has(it.at))
        };
        offsets.iter().rev().find_map(read)
    }

    fn has(&self, at: Mark) -> bool {
        let segment = self
            .segments
            .iter()
            .find(|segment| segment.base == at.segment);
        segment.is_some_and(|segment| segment.size() >= at.position)
    }

    fn state(&self, checkpoint: Option<Checkpoint>) -> io::Result<State<D>> {
        let first = self
            .segments
            .first()
            .cloned()
            .ok_or(io::ErrorKind::NotFound)?;
        let mut state = State {
            writer: Writer::new(first),
            transactions: Transactions::default(),
        };
        let Some(checkpoint) = checkpoint else {
            return Ok(state);
        };
        let writer = &mut state.writer;
        writer.end = checkpoint.at.offset;
        writer.epochs = checkpoint.epochs;
        writer.producers = checkpoint.producers;
        let found = self
            .segments
            .iter()
            .find(|it| it.base == checkpoint.at.segment);
        if let Some(segment) = found
            && !(segment.truncate_indexes(checkpoint.index_entries, checkpoint.at.offset)?
                && segment.are_indexes_right()?)
        {
            let path = segment.path().display();
            tracing::warn!("the indexes of {path} are not as they were, and are made anew");
            segment.rebuild_indexes(checkpoint.at.position, self.index_interval)?;
        }
        let open: Vec<Offset> = state
            .writer
            .producers
            .iter()
            .filter_map(|(_, it)| it.transaction)
            .collect();
        for offset in open {
            state.transactions.reopen(self.mark(offset)?);
        }
        Ok(state)
    }

    /// Where an offset is; where its segment is gone, the beginning.
    fn mark(&self, offset: Offset) -> io::Result<Mark> {
        let after = self
            .segments
            .partition_point(|segment| segment.base <= offset);
        let Some(segment) = after.checked_sub(1).and_then(|at| self.segments.get(at)) else {
            return Ok(Mark {
                offset,
                segment: offset,
                position: 0,
            });
        };
        let found = segment.find(offset, segment.size())?;
        let position = found.map_or(0, |found| found.position);
        Ok(Mark {
            offset,
            segment: segment.base,
            position,
        })
    }

    /// Takes out of the indexes what is after the checkpoint, for the replay to put in again.
    fn prepare(&self, first: usize, from: Option<Mark>, state: &State<D>) -> io::Result<()> {
        for segment in self.segments.get(first..).unwrap_or_default() {
            if from.is_none_or(|at| at.segment != segment.base) {
                segment.clear_indexes()?;
                segment.aborted.truncate(state.writer.end)?;
            }
        }
        Ok(())
    }

    fn replay(&mut self, first: usize, from: Option<Mark>, state: &mut State<D>) -> io::Result<()> {
        for number in first..self.segments.len() {
            let segment = self.segments[number].clone();
            let at = from
                .filter(|at| at.segment == segment.base)
                .map_or(0, |at| at.position);
            let size = segment.size();
            // A later one may be there though the end of this one was lost: names and bytes become durable
            // in any order.
            let follows = at > 0
                || segment.base == state.writer.end
                || self.has_gaps && segment.base > state.writer.end;
            let checked = match follows {
                true => {
                    if at > 0 {
                        // What is vouched for is not replayed, and later batches may be of earlier times.
                        segment.largest_timestamp_ms()?;
                    }
                    state.writer.active = segment.clone();
                    state.writer.end = state.writer.end.max(segment.base);

                    let (interval, has_gaps) = (self.index_interval, self.has_gaps);
                    segment.verify(at, size, |header, position, batch| {
                        if header.base_offset > state.writer.end && has_gaps {
                            state.writer.end = header.base_offset;
                        }
                        state.take(&segment, header, position, batch, interval)
                    })?
                }
                false => segment.nothing("it does not begin where the one before it ends"),
            };
            self.recovery.verified += u64::from(checked.end - at.min(checked.end));
            if let Some(why) = checked.why {
                self.recovery.truncated += u64::from(size - checked.end);
                self.recovery.why = Some(why);
                segment.truncate(checked.end)?;
                self.drop_segments(number + usize::from(follows))?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Removes segments that come after the end; the last one first, so that none is left without those
    /// before it.
    fn drop_segments(&mut self, from: usize) -> io::Result<()> {
        for segment in self.segments.drain(from..).rev() {
            self.recovery.truncated += u64::from(segment.size());
            segment.remove()?;
        }
        Ok(())
    }

    /// What a killed process left to the operating system is not on the disk for that. And what belongs to
    /// an end that was cut off must not be taken for part of the next one.
    fn sync(&self, first: usize, vouched: Option<Mark>, end: Mark) -> io::Result<()> {
        if let Some((_, finished)) = self.segments.split_last() {
            finished.iter().for_each(|segment| segment.mark_finished());
        }
        // What was cut off may come back, if nobody says that it must not.
        if vouched == Some(end) && self.recovery.truncated == 0 {
            return Ok(());
        }
        for segment in self.segments.get(first..).unwrap_or_default() {
            segment.sync()?;
        }
        let disk = &self.place.shared.files.disk;
        for entry in self.entries {
            let checkpoint = segment::parse_name(&entry.name, CHECKPOINT);
            let is_stale = checkpoint.is_some_and(|at| Some(at) != vouched.map(|it| it.offset));
            if is_stale || entry.name.ends_with(TEMPORARY) {
                disk.remove(&self.folder.join(&entry.name))?;
            }
        }
        disk.sync_folder(&self.folder)
    }
}

/// What follows from the batches so far.
struct State<D: Disk> {
    writer: Writer<D>,
    transactions: Transactions,
}

impl<D: Disk> State<D> {
    fn take(
        &mut self,
        segment: &Segment<D>,
        header: &Header,
        position: u32,
        batch: &[u8],
        index_interval: u32,
    ) -> Result<(), String> {
        let end = self.writer.end;
        if header.base_offset != end || header.last_offset_delta < 0 {
            return Err(format!("offset {} comes after {end}", header.base_offset));
        }
        if header.last_offset().0 - segment.base.0 > i64::from(i32::MAX) {
            return Err(format!(
                "offset {} is too far from the first",
                header.base_offset
            ));
        }
        let marker = marker(header, batch);
        if let Some(aborted) = self.writer.aborted_by(header, marker) {
            segment
                .aborted
                .push(&aborted)
                .map_err(|error| error.to_string())?;
        }
        let at = Mark {
            offset: header.base_offset,
            segment: segment.base,
            position,
        };
        segment.appended(header, position, index_interval);
        let change = self.writer.wrote(header, marker);
        self.transactions.apply(change, at);
        // All that is found counts.
        self.transactions.settle(header.last_offset().next());
        Ok(())
    }
}

/// What a control batch says.
fn marker(header: &Header, batch: &[u8]) -> Option<ControlRecord> {
    let records = header
        .attributes
        .is_control()
        .then(|| Records::of(header, batch));
    let record = records?.ok()?.next()?.ok()?;
    ControlRecord::parse(&record).ok()?
}

fn first_timestamp<D: Disk>(segment: &Segment<D>) -> io::Result<Option<i64>> {
    let first = Scan::new(segment.file()?, 0, segment.size()).next()?;
    Ok(first.map(|found| found.header.max_timestamp_ms))
}
