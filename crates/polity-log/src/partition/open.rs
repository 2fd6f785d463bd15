//! Making a partition, and finding the files of one that is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, Mutex, RwLock};

use polity_core::TopicName;

use super::close::Vouched;
use super::mark::{Bounds, Recent};
use super::recover::Replay;
use super::retain;
use super::{ConfigCell, OPEN, Partition, Shared, Writer, flush};
use crate::checkpoint::Epochs;
use crate::disk::{Disk, Entry};
use crate::error::{IoError, OpenError};
use crate::id::{LeaderEpoch, Offset};
use crate::producer::{Count, Producers};
use crate::segment::{self, ABORTED_INDEX, LOG, OFFSET_INDEX, Segment, TIME_INDEX};
use crate::transaction::Transactions;
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

/// A partition's segments, and what follows from them.
pub(super) struct Found<D: Disk> {
    pub(super) segments: Vec<Arc<Segment<D>>>,
    pub(super) writer: Writer<D>,
    pub(super) transactions: Transactions,
    pub(super) epochs: Epochs,
    /// Of who appends from now on.
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) checkpointed: Option<Vouched>,
    /// Where the partition was told to begin.
    pub(super) start: Option<Offset>,
}

impl<D: Disk> Partition<D> {
    /// Makes an empty one. Its folder's name is durable once the root is synced.
    pub(crate) fn create(place: &Place<'_, D>) -> Result<Arc<Self>, IoError> {
        let folder = place.folder();
        let shared = place.shared;
        let make = || {
            // What a topic of that name has left there is nobody's.
            match shared.files.disk.remove_folder(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed?,
            }
            shared.files.disk.create_folder(&folder)?;
            let first = Segment::create(&shared.files, &folder, Offset::ZERO)
                .map_err(|failure| failure.error)?;
            shared.files.disk.sync_folder(&folder)?;
            Ok(first)
        };
        let first = make().map_err(IoError::at(&folder))?;
        let first = Arc::new(first);
        let writer = Writer::new(first.clone(), shared.producers.count());
        Ok(place.partition(Found {
            segments: vec![first],
            writer,
            transactions: Transactions::default(),
            epochs: Epochs::default(),
            leader_epoch: LeaderEpoch(0),
            checkpointed: None,
            start: None,
        }))
    }

    /// Opens one that is there.
    pub(crate) fn open(place: &Place<'_, D>) -> Result<(Arc<Self>, Recovery), OpenError> {
        let folder = place.folder();
        let entries = place.entries()?;
        let segments = place.segments(&entries)?;
        if segments.is_empty() {
            // As somebody may make one who has lost the folder.
            return Ok((Self::create(place)?, Recovery::default()));
        }
        let replay = Replay::new(place, segments, &entries);
        let (partition, recovery) = replay.run().map_err(IoError::at(&folder))?;
        Ok((partition, recovery))
    }
}

impl<D: Disk> Place<'_, D> {
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.join(format!("{}-{}", self.topic, self.index))
    }

    /// What is in its folder, which was durable before the topic had the partition.
    fn entries(&self) -> Result<Vec<Entry>, OpenError> {
        let folder = self.folder();
        match self.shared.files.disk.list(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(OpenError::Partition { folder })
            }
            entries => Ok(entries.map_err(IoError::at(&folder))?),
        }
    }

    /// The segments there are, in order.
    fn segments(&self, entries: &[Entry]) -> Result<Vec<Arc<Segment<D>>>, OpenError> {
        let folder = self.folder();
        let files = &self.shared.files;
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
            let lengths = [LOG, OFFSET_INDEX, TIME_INDEX, ABORTED_INDEX].map(|ending| {
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

    pub(super) fn partition(&self, found: Found<D>) -> Arc<Partition<D>> {
        let (segments, end) = (found.segments, found.writer.mark());
        let first = segments
            .first()
            .map_or(Offset::ZERO, |segment| segment.base);
        let start = retain::clamp(found.start, first, end);
        let has_aborted = segments.iter().any(|segment| segment.aborted.length() > 0);
        let bounds = Bounds::new(start, end, found.transactions, found.epochs);
        Arc::new(Partition {
            topic: self.topic.clone(),
            index: self.index,
            folder: self.folder(),
            shared: self.shared.clone(),
            config: self.config.clone(),
            leader_epoch: found.leader_epoch,
            writer: Mutex::new(found.writer),
            segments: RwLock::new(Arc::new(segments)),
            bounds: Mutex::new(bounds),
            recent: Mutex::new(Recent::default()),
            watchers: Arc::new(Watchers::default()),
            is_folder_dirty: AtomicBool::new(false),
            has_aborted: AtomicBool::new(has_aborted),
            flush: flush::State::default(),
            checkpoint: Mutex::new(None),
            checkpointed: Mutex::new(found.checkpointed),
            removing: Mutex::new(()),
            stage: AtomicU8::new(OPEN),
        })
    }
}

impl<D: Disk> Writer<D> {
    /// At the end of an empty segment, nothing known.
    pub(super) fn new(active: Arc<Segment<D>>, producer_count: Count) -> Self {
        Self {
            end: active.base,
            active,
            producers: Producers::default(),
            producer_count,
            since_checkpoint: 0,
            first_timestamp_ms: None,
        }
    }
}
