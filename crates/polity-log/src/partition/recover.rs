//! What a start makes of a partition's files.
//!
//! The newest checkpoint vouches for all before it. Everything after it is verified batch by batch; at the
//! first that is not whole or does not follow, the log ends: that is how far a killed machine got. What is
//! beyond was never acknowledged, or [`Durability::Os`](super::Durability::Os) was asked for.

mod state;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::close::Vouched;
use super::compact::{end_replacing, has_gaps, is_replacing, remove_replaced};
use super::open::{Found, Place, Recovery};
use super::retain::{before_start, read_start};
use super::{Mark, Partition};
use crate::checkpoint::{CHECKPOINT, Checkpoint};
use crate::disk::{Disk, Entry, TEMPORARY};
use crate::id::{LeaderEpoch, Offset};
use crate::segment::{self, Scan, Segment};
use state::State;

#[cfg(test)]
#[path = "recover_damage_tests.rs"]
mod damage_tests;
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
        let checkpoint = self.checkpoint()?;
        let known = checkpoint.as_ref().map(|it| it.start);
        let start = read_start(disk, &self.folder)?.max(known);
        if start > known {
            // A killed process may not have got to that, and what is removed for it cannot come back.
            disk.sync_folder(&self.folder)?;
        }
        // A crash came before they were removed.
        let vouched = checkpoint.as_ref().map_or(Offset::ZERO, |it| it.at.segment);
        let was_replacing = is_replacing(self.entries);
        if was_replacing {
            remove_replaced(disk, &self.folder, &mut self.segments, vouched)?;
        }
        let gone = start.map_or(0, |start| before_start(&self.segments, start.min(vouched)));
        for segment in self.segments.drain(..gone) {
            segment.remove()?;
        }
        self.has_gaps = checkpoint.is_none() && has_gaps(disk, &self.folder)?;
        let from = checkpoint.as_ref().map(|it| it.at);
        let checkpointed = checkpoint.as_ref().map(Vouched::by);
        let mut state = self.state(checkpoint)?;
        let first = from.map_or(0, |at| {
            self.segments.partition_point(|it| it.base < at.segment)
        });
        self.prepare(first, from, &state)?;
        self.replay(first, from, &mut state)?;
        let State {
            mut writer,
            transactions,
            mut epochs,
        } = state;
        writer.active = self.segments.last().cloned().unwrap_or(writer.active);
        writer.first_timestamp_ms = first_timestamp(&writer.active)?;
        // Who was not closed may have lost what was read or copied elsewhere: the epoch tells the two ends apart.
        let last = epochs.last().unwrap_or(LeaderEpoch(0));
        let is_clean = self.recovery.verified == 0 && self.recovery.truncated == 0;
        let leader_epoch = LeaderEpoch(last.0 + i32::from(!is_clean));
        if !is_clean {
            // Clients know of it as soon as they ask, and it must never be lower again.
            epochs.saw(leader_epoch, writer.end);
        }
        self.sync(first, from, writer.mark())?;
        if was_replacing {
            end_replacing(disk, &self.folder)?;
        }
        let found = Found {
            segments: self.segments,
            writer,
            transactions,
            epochs,
            leader_epoch,
            checkpointed,
            start,
        };
        Ok((self.place.partition(found), self.recovery))
    }

    /// The newest checkpoint that belongs to the segments.
    fn checkpoint(&self) -> io::Result<Option<Checkpoint>> {
        let offsets = self
            .entries
            .iter()
            .filter_map(|it| segment::parse_name(&it.name, CHECKPOINT));
        let mut offsets: Vec<Offset> = offsets.collect();
        offsets.sort_unstable();
        for offset in offsets.into_iter().rev() {
            let path = self.folder.join(segment::name(offset, CHECKPOINT));
            let checkpoint = Checkpoint::read(&self.place.shared.files.disk, &path)?;
            let is_of_these = |it: &Checkpoint| it.at.offset == offset && self.has(it.at);
            if let Some(checkpoint) = checkpoint.filter(is_of_these) {
                return Ok(Some(checkpoint));
            }
        }
        Ok(None)
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
        let mut state = State::new(first, self.place.shared.producers.count());
        let Some(checkpoint) = checkpoint else {
            return Ok(state);
        };
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
        let open: Vec<Offset> = checkpoint
            .producers
            .iter()
            .filter_map(|(_, it)| it.transaction)
            .collect();
        for offset in open {
            state.transactions.reopen(self.mark(offset)?);
        }
        state.resume(checkpoint);
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
        let mut number = first;
        while let Some(segment) = self.segments.get(number).cloned() {
            if self.has_gaps && segment.base < state.writer.end && is_replacing(self.entries) {
                // It had been put into the one before it.
                self.segments.remove(number);
                segment.remove()?;
                continue;
            }
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
            number += 1;
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
        let is_empty = vouched.is_none() && end.offset == Offset::ZERO;
        if (is_empty || vouched == Some(end)) && self.recovery.truncated == 0 {
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

fn first_timestamp<D: Disk>(segment: &Segment<D>) -> io::Result<Option<i64>> {
    if segment.size() == 0 {
        return Ok(None);
    }
    let first = Scan::new(segment.file()?, 0, segment.size()).next()?;
    Ok(first.map(|found| found.header.max_timestamp_ms))
}
