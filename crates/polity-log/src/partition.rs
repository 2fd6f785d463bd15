//! One ordered log of batches.
//!
//! Who appends holds the writer's lock while the bytes go to the page cache, and no longer; who reads
//! takes only short locks over numbers. An append is there at once but counts once it is durable: the
//! high watermark, up to which consumers read and producers are answered, follows the disk
//! ([`Durability::Fsync`]) or the end ([`Durability::Os`]).

mod append;
mod check;
mod close;
mod compact;
#[cfg(test)]
mod concurrent_tests;
mod flush;
mod mark;
mod marker;
mod offset_file;
mod open;
mod read;
mod recover;
mod retain;
mod time;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::Waker;

use polity_core::TopicName;

pub use append::{Appended, Origin};
pub use flush::Committed;
pub(crate) use mark::Mark;
pub use mark::Offsets;
pub use marker::ProducerSummary;
pub(crate) use open::{Place, Recovery};
pub use read::{AbortedTransaction, Isolation, Read, Slice};
pub use time::TimedOffset;

use crate::checkpoint::Checkpoint;
use crate::config::TopicConfig;
use crate::disk::{Disk, Files};
use crate::flusher::FlushQueue;
use crate::id::{LeaderEpoch, Offset};
use crate::poison::Poison;
use crate::producer::{self, Everybody, Producers};
use crate::segment::Segment;
use crate::watch::{Watch, Watchers};
use mark::{Bounds, Recent};

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;

/// When an append counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Once it is on the disk: nothing that was acknowledged or read is lost to a power cut.
    #[default]
    Fsync,
    /// Once the operating system has it: it outlives the process, not the machine. Kafka's default.
    Os,
}

/// What all partitions of a log share.
pub(crate) struct Shared<D: Disk> {
    pub(crate) files: Arc<Files<D>>,
    pub(crate) durability: Durability,
    pub(crate) checkpoint_bytes: u64,
    /// Of all partitions.
    pub(crate) producers: Arc<Everybody>,
    pub(crate) poison: Poison,
    pub(crate) queue: FlushQueue<D>,
    pub(crate) clock: Arc<dyn polity_core::Clock>,
}

impl<D: Disk> std::fmt::Debug for Shared<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shared").field(&self.files.disk).finish()
    }
}

/// What a topic's partitions share, and can change.
pub(crate) type ConfigCell = Arc<RwLock<Arc<TopicConfig>>>;

/// In the order of their offsets, never empty; the last is appended to. It is another one after each change,
/// so that who goes from segment to segment sees them all as of one moment.
type Segments<D> = Arc<Vec<Arc<Segment<D>>>>;

/// One partition of a topic.
pub struct Partition<D: Disk> {
    topic: TopicName,
    index: u32,
    folder: PathBuf,
    shared: Arc<Shared<D>>,
    config: ConfigCell,
    /// Of the leader that appends, from one start to the next.
    leader_epoch: LeaderEpoch,
    /// No reader takes it: who has it may be waiting for the disk.
    writer: Mutex<Writer<D>>,
    segments: RwLock<Segments<D>>,
    bounds: Mutex<Bounds>,
    recent: Mutex<Recent>,
    watchers: Arc<Watchers>,
    /// Whether segments have come whose names are not durable.
    is_folder_dirty: AtomicBool,
    /// Whether a transaction was ever aborted: who reads what is committed has to look for them.
    has_aborted: AtomicBool,
    flush: flush::State,
    /// To be written once all before it is durable.
    checkpoint: Mutex<Option<Checkpoint>>,
    /// What the one on the disk says.
    checkpointed: Mutex<Option<close::Vouched>>,
    /// Who takes records away.
    removing: Mutex<()>,
    stage: AtomicU8,
}

/// Whether a partition takes appends.
const OPEN: u8 = 0;
const DELETED: u8 = 1;
const CLOSED: u8 = 2;

/// What only one may have who appends.
#[derive(Debug)]
struct Writer<D: Disk> {
    active: Arc<Segment<D>>,
    end: Offset,
    producers: Producers,
    /// Of the producers, among those of all partitions.
    producer_count: producer::Count,
    /// Bytes that came since a checkpoint was made, or is to be.
    since_checkpoint: u64,
    /// Of the first batch in the active segment.
    first_timestamp_ms: Option<i64>,
}

impl<D: Disk> Partition<D> {
    /// Whose it is.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Its number in the topic, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Where its records begin and end, and up to where they count.
    pub fn offsets(&self) -> Offsets {
        self.view().offsets()
    }

    /// Bytes of its batches on the disk.
    pub fn size(&self) -> u64 {
        self.segments().iter().map(|it| u64::from(it.size())).sum()
    }

    /// Of the leader that appends now.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Has this one woken, once, when an offset of the partition next moves, or when the disk fails.
    /// Look at the offsets after this, not before, and again when woken: it may have been for nothing.
    pub fn watch(&self, waker: &Waker) -> Watch {
        self.watchers.watch(waker.clone())
    }

    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The last leader's epoch up to this one that has batches, and the offset after its last; None
    /// where nobody has had this epoch yet, or there are no batches.
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let bounds = self.bounds();
        let end = bounds.end.offset;
        match epoch.cmp(&self.leader_epoch) {
            std::cmp::Ordering::Less => bounds.epochs.end_of(epoch, end),
            std::cmp::Ordering::Equal => Some((epoch, end)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Refuses appends from now on, and removes nothing more; what is being read can be read to its end.
    pub(crate) fn mark_deleted(&self) {
        // Who removes goes by names, which may soon be those of a new topic's files.
        let _none_removes = lock(&self.removing);
        self.enter(DELETED);
        self.segments().iter().for_each(|segment| segment.retire());
    }

    /// Takes appends again: it was not deleted after all.
    pub(crate) fn mark_kept(&self) {
        self.segments().iter().for_each(|segment| segment.restore());
        self.enter(OPEN);
    }

    /// Before anything is taken away; none where the topic is deleted.
    fn begin_removing(&self) -> Option<MutexGuard<'_, ()>> {
        let one = lock(&self.removing);
        (self.stage() != DELETED).then_some(one)
    }

    fn enter(&self, stage: u8) {
        // With the lock, no append is under way after this.
        let writer = lock(&self.writer);
        self.stage.store(stage, Ordering::Release);
        drop(writer);
        self.watchers.wake();
    }

    fn stage(&self) -> u8 {
        self.stage.load(Ordering::Acquire)
    }

    fn view(&self) -> mark::View {
        self.bounds().view(self.shared.durability)
    }

    fn bounds(&self) -> MutexGuard<'_, Bounds> {
        lock(&self.bounds)
    }

    fn segments(&self) -> Segments<D> {
        let segments = self.segments.read();
        segments.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change_segments<T>(&self, change: impl FnOnce(&mut Vec<Arc<Segment<D>>>) -> T) -> T {
        let mut segments = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut segments))
    }
}

impl<D: Disk> std::fmt::Debug for Partition<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

/// Nothing here is left half done by a panic that the next one could stumble over.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
