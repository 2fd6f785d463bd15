//! Making a partition, and opening one: what its last segment has is verified before it is believed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use polity_core::TopicName;

use super::mark::{Bounds, Mark, Recent};
use super::{ConfigCell, Partition, Shared, Writer, flush};
use crate::disk::Disk;
use crate::error::{IoError, OpenError};
use crate::id::{LeaderEpoch, Offset};
use crate::segment::{self, LOG, OFFSET_INDEX, Segment, TIME_INDEX};
use crate::watch::Watchers;

/// What was found when a partition was opened that was not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// Bytes that were verified.
    pub(crate) verified: u64,
    /// Bytes at the end that were no whole batches, and were cut off.
    pub(crate) truncated: u64,
    /// Why, of the first of them.
    pub(crate) why: Option<String>,
}

/// What a partition is made from.
pub(crate) struct Place<'a, D: Disk> {
    pub(crate) shared: &'a Arc<Shared<D>>,
    pub(crate) topic: &'a TopicName,
    pub(crate) index: u32,
    pub(crate) config: &'a ConfigCell,
    pub(crate) root: &'a Path,
}

impl<D: Disk> Partition<D> {
    /// Makes an empty one. Its folder's name is durable once the root is synced.
    pub(crate) fn create(place: &Place<'_, D>) -> Result<Arc<Self>, IoError> {
        let folder = place.folder();
        let shared = place.shared;
        let make = || {
            shared.files.disk.create_folder(&folder)?;
            let first = Segment::create(&shared.files, &folder, Offset::ZERO)?;
            shared.files.disk.sync_folder(&folder)?;
            Ok(first)
        };
        let first = make().map_err(IoError::at(&folder))?;
        Ok(place.partition(vec![Arc::new(first)], Offset::ZERO))
    }

    /// Opens one that is there.
    pub(crate) fn open(place: &Place<'_, D>) -> Result<(Arc<Self>, Recovery), OpenError> {
        let folder = place.folder();
        let mut segments = place.segments()?;
        let Some(last) = segments.pop() else {
            return Ok((Self::create(place)?, Recovery::default()));
        };
        let mut recovery = Recovery::default();
        let end = recover(&last, place.config, &mut recovery).map_err(IoError::at(last.path()))?;
        segments.push(last);
        let partition = place.partition(segments, end);
        // What a killed process left to the operating system is not on the disk for that.
        partition.flush_all().map_err(IoError::at(&folder))?;
        Ok((partition, recovery))
    }

    fn flush_all(&self) -> std::io::Result<()> {
        let last = self.with_segments(|segments| segments.last().cloned());
        if let Some(last) = last {
            last.sync()?;
        }
        self.shared.files.disk.sync_folder(&self.folder)
    }
}

/// Verifies a segment batch by batch, cuts off what is no whole batch, and makes its indexes anew.
/// Returns the offset after its last record.
fn recover<D: Disk>(
    segment: &Segment<D>,
    config: &ConfigCell,
    recovery: &mut Recovery,
) -> std::io::Result<Offset> {
    let interval = config
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .index_interval_bytes;
    let size = segment.size();
    segment.clear_indexes()?;
    let mut end = segment.base;
    let checked = segment.verify(0, size, |header, position, _| {
        if header.base_offset < end {
            return Err(format!("offset {} follows {}", header.base_offset, end));
        }
        end = header.last_offset().next();
        segment.appended(header, position, interval);
        Ok(())
    })?;
    recovery.verified += u64::from(checked.end);
    if checked.end < size {
        recovery.truncated += u64::from(size - checked.end);
        recovery.why = checked.why;
        segment.truncate(checked.end)?;
    }
    Ok(end)
}

impl<D: Disk> Place<'_, D> {
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.join(format!("{}-{}", self.topic, self.index))
    }

    /// The segments there are, in order.
    fn segments(&self) -> Result<Vec<Arc<Segment<D>>>, OpenError> {
        let folder = self.folder();
        let files = &self.shared.files;
        let entries = match files.disk.list(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            entries => entries.map_err(IoError::at(&folder))?,
        };
        let lengths: BTreeMap<&str, u64> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.length))
            .collect();
        let bases = entries
            .iter()
            .filter_map(|entry| segment::parse_name(&entry.name, LOG));
        let mut bases: Vec<Offset> = bases.collect();
        bases.sort_unstable();
        let adopt = |base| {
            let lengths = [LOG, OFFSET_INDEX, TIME_INDEX].map(|ending| {
                lengths
                    .get(segment::name(base, ending).as_str())
                    .copied()
                    .unwrap_or(0)
            });
            let segment = Segment::adopt(files, &folder, base, lengths);
            segment.map(Arc::new).map_err(|_| OpenError::Segment {
                path: folder.join(segment::name(base, LOG)),
                why: format!("is longer than a segment can be, with {} bytes", lengths[0]),
            })
        };
        bases.into_iter().map(adopt).collect()
    }

    fn partition(&self, segments: Vec<Arc<Segment<D>>>, end: Offset) -> Arc<Partition<D>> {
        let active = segments.last().cloned().expect("there is one at least");
        let start = segments
            .first()
            .map_or(Offset::ZERO, |segment| segment.base);
        let end_mark = Mark {
            offset: end,
            segment: active.base,
            position: active.size(),
        };
        let writer = Writer {
            active,
            end,
            leader_epoch: LeaderEpoch(0),
            first_timestamp_ms: None,
        };
        Arc::new(Partition {
            topic: self.topic.clone(),
            index: self.index,
            folder: self.folder(),
            shared: self.shared.clone(),
            config: self.config.clone(),
            writer: Mutex::new(writer),
            segments: RwLock::new(segments),
            bounds: Mutex::new(Bounds {
                start,
                unstable: None,
                durable: end_mark,
                end: end_mark,
            }),
            recent: Mutex::new(Recent::default()),
            watchers: Arc::new(Watchers::default()),
            is_folder_dirty: AtomicBool::new(false),
            flush: flush::State::default(),
            is_deleted: AtomicBool::new(false),
        })
    }
}
