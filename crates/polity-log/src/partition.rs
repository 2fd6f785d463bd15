//! One ordered log of batches.
//!
//! Who appends holds the writer's lock while the bytes go to the page cache, and no longer; who reads
//! takes only short locks over numbers. An append is there at once but counts once it is durable: the
//! high watermark, up to which consumers read and producers are answered, follows the disk
//! ([`Durability::Fsync`]) or the end ([`Durability::Os`]).

mod append;
mod check;
mod flush;
mod mark;
mod open;
mod read;
mod time;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::Waker;

use polity_core::TopicName;

pub use append::{Appended, Origin};
pub use flush::Committed;
pub use mark::Offsets;
pub(crate) use open::Place;
pub use read::{AbortedTransaction, Isolation, Read, Slice};
pub use time::TimedOffset;

use crate::config::TopicConfig;
use crate::disk::{Disk, Files};
use crate::flusher::FlushQueue;
use crate::id::{LeaderEpoch, Offset};
use crate::poison::Poison;
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

/// One partition of a topic.
pub struct Partition<D: Disk> {
    topic: TopicName,
    index: u32,
    folder: PathBuf,
    shared: Arc<Shared<D>>,
    config: ConfigCell,
    writer: Mutex<Writer<D>>,
    /// In the order of their offsets, never empty; the last is appended to.
    segments: RwLock<Vec<Arc<Segment<D>>>>,
    bounds: Mutex<Bounds>,
    recent: Mutex<Recent>,
    watchers: Arc<Watchers>,
    /// Whether segments have come whose names are not durable.
    is_folder_dirty: AtomicBool,
    flush: flush::State,
    is_deleted: AtomicBool,
}

/// What only one may have who appends.
#[derive(Debug)]
struct Writer<D: Disk> {
    active: Arc<Segment<D>>,
    end: Offset,
    leader_epoch: LeaderEpoch,
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
        self.bounds().offsets(self.shared.durability)
    }

    /// Bytes of its batches on the disk.
    pub fn size(&self) -> u64 {
        self.with_segments(|segments| segments.iter().map(|it| u64::from(it.size())).sum())
    }

    /// Of the leader that appends now.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        lock(&self.writer).leader_epoch
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

    /// Refuses appends from now on; what is being read can be read to its end.
    pub(crate) fn mark_deleted(&self) {
        // With the lock, no append is under way after this.
        let _writer = lock(&self.writer);
        self.is_deleted.store(true, Ordering::Release);
        self.watchers.wake();
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    fn bounds(&self) -> MutexGuard<'_, Bounds> {
        lock(&self.bounds)
    }

    fn with_segments<T>(&self, look: impl FnOnce(&[Arc<Segment<D>>]) -> T) -> T {
        look(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
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
