//! Writing segments anew, and putting what was written in the place of the old ones.
//!
//! Neighbours that have become small become one, of the first's name. While it has that name and they are
//! still there, records are there twice; the folder it was written in is there as long, so that a start
//! knows when to look for that.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Full, in_order, refuse_damaged};
use crate::batch::Header;
use crate::compaction::Rewriter;
use crate::config::TopicConfig;
use crate::disk::{Disk, Entry};
use crate::id::Offset;
use crate::partition::Partition;
use crate::segment::Segment;

/// Where segments are written anew.
const CLEANING: &str = "cleaning";

/// Segments that become one at a time: the files of all are open for a moment.
const MAX_GROUP: usize = 64;

/// Neighbours that fit into one segment are put together.
pub(super) fn groups<D: Disk>(segments: Vec<Full<D>>, segment_bytes: u32) -> Vec<Vec<Full<D>>> {
    let mut groups: Vec<Vec<Full<D>>> = Vec::new();
    for full in segments {
        let last = groups.last_mut();
        match last.filter(|group| do_fit(group, &full, segment_bytes)) {
            Some(group) => group.push(full),
            None => groups.push(vec![full]),
        }
    }
    groups
}

fn do_fit<D: Disk>(group: &[Full<D>], next: &Full<D>, segment_bytes: u32) -> bool {
    let all = || group.iter().chain([next]);
    let size: u64 = all().map(|it| u64::from(it.segment.size())).sum();
    let bases = all().map(|it| it.segment.base);
    let offsets = bases.min().map_or(0, |first| next.end.0 - first.0);
    group.len() < MAX_GROUP && size <= u64::from(segment_bytes) && offsets <= i64::from(i32::MAX)
}

/// Whether segments were being put in the place of others.
pub(in crate::partition) fn is_replacing(entries: &[Entry]) -> bool {
    entries.iter().any(|it| it.is_folder && it.name == CLEANING)
}

impl<D: Disk> Partition<D> {
    /// Writes neighbours anew as one, and puts that in their place.
    pub(super) fn clean(
        &self,
        group: &[Full<D>],
        rewriter: &mut Rewriter<'_>,
        config: &TopicConfig,
    ) -> io::Result<()> {
        let Some(first) = group.first().map(|it| &it.segment) else {
            return Ok(());
        };
        let (files, folder) = (&self.shared.files, self.folder.join(CLEANING));
        files.disk.create_folder(&folder)?;
        let new = Segment::create(files, &folder, first.base).map_err(|failure| failure.error)?;
        for old in group {
            rewrite(&old.segment, &new, rewriter, config)?;
        }
        if group.len() == 1 && new.size() == first.size() {
            return files.disk.remove_folder(&folder);
        }
        if group.len() > 1 {
            merge_aborted(group, &new)?;
        }
        new.finish()?;
        new.sync()?;
        new.sync_indexes()?;
        // Who has found something in an old one reads it from the old file.
        group.iter().try_for_each(|old| old.segment.pin())?;
        self.replace(group, &new).inspect_err(|error| {
            let why = format!("cannot replace segments of {self:?}: {error}");
            self.shared.poison.set(why);
        })?;
        files.disk.remove_folder(&folder)
    }

    /// Each file takes the old one's name in one step. After a crash between, an index may be the old one:
    /// it is found out when it is used. After an error nobody knows which are there.
    fn replace(&self, group: &[Full<D>], new: &Segment<D>) -> io::Result<()> {
        let disk = &self.shared.files.disk;
        let (Some((first, others)), mut lengths) = (group.split_first(), new.lengths()) else {
            return Ok(());
        };
        let first = &first.segment;
        let names = || new.paths().into_iter().zip(first.paths());
        if others.is_empty() {
            // It keeps its aborted transactions.
            lengths[3] = first.aborted.length();
        } else {
            // Before the others can go, whose they are too.
            if lengths[3] > 0 {
                names()
                    .skip(3)
                    .try_for_each(|(from, to)| disk.rename(from, to))?;
            }
            disk.sync_folder(&self.folder)?;
        }
        names()
            .take(3)
            .try_for_each(|(from, to)| disk.rename(from, to))?;
        disk.sync_folder(&self.folder)?;
        let replaced = Segment::adopt(&self.shared.files, &self.folder, first.base, lengths)?;
        replaced.mark_finished();
        self.change_segments(|segments| {
            segments.retain(|it| others.iter().all(|other| other.segment.base != it.base));
            if let Some(place) = segments.iter_mut().find(|it| it.base == first.base) {
                *place = Arc::new(replaced);
            }
        });
        if others.is_empty() {
            return Ok(());
        }
        others.iter().try_for_each(|old| old.segment.remove())?;
        disk.sync_folder(&self.folder)
    }
}

/// Appends what is kept of a segment.
fn rewrite<D: Disk>(
    old: &Segment<D>,
    new: &Segment<D>,
    rewriter: &mut Rewriter<'_>,
    config: &TopicConfig,
) -> io::Result<()> {
    let mut result = Ok(());
    let mut end = old.base;
    let verified = old.verify(0, old.size(), |header, _, batch| {
        end = in_order(old, end, header)?;
        if result.is_ok()
            && let Some(kept) = rewriter.rewrite(header, batch)
        {
            let header = Header {
                length: kept.len(),
                ..*header
            };
            let appended = new.append(&header, [&kept, &[]], config.index_interval_bytes);
            result = appended.map_err(|failure| failure.error);
        }
        Ok(())
    })?;
    result?;
    refuse_damaged(verified)
}

/// Each once: after a crash the first segment may have those of the others.
fn merge_aborted<D: Disk>(group: &[Full<D>], new: &Segment<D>) -> io::Result<()> {
    let mut aborted = BTreeMap::new();
    for old in group {
        let entries = old.segment.aborted.all()?;
        aborted.extend(entries.into_iter().map(|entry| (entry.last, entry)));
    }
    aborted.values().try_for_each(|it| new.aborted.push(it))
}

/// Of segments before `vouched`, removes those that had been put into the one before them when that was
/// interrupted.
pub(in crate::partition) fn remove_replaced<D: Disk>(
    disk: &D,
    folder: &Path,
    segments: &mut Vec<Arc<Segment<D>>>,
    vouched: Offset,
) -> io::Result<()> {
    // A killed process may not have got to that, and what is removed for it cannot come back.
    disk.sync_folder(folder)?;
    let mut kept: Vec<Arc<Segment<D>>> = Vec::new();
    for segment in segments.drain(..) {
        let before = kept.last().filter(|_| segment.base < vouched);
        let last = before.map(|before| before.last_offset()).transpose()?;
        match last.flatten().is_some_and(|last| last >= segment.base) {
            true => segment.remove()?,
            false => kept.push(segment),
        }
    }
    *segments = kept;
    Ok(())
}

/// Removes what segments were written in: nothing is there twice.
pub(in crate::partition) fn end_replacing<D: Disk>(disk: &D, folder: &Path) -> io::Result<()> {
    disk.sync_folder(folder)?;
    disk.remove_folder(&folder.join(CLEANING))
}
