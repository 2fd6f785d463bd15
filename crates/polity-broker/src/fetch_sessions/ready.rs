//! Which partitions of a session may have something to tell: those that have moved on since they were
//! read, and those that had more than was taken.
//!
//! All others are watched, and cost nothing until they move.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};

use polity_log::disk::Disk;
use polity_log::{Offsets, Partition, Watch};
use tokio::sync::Notify;

/// The places that are ready, each once, in the order in which they became so.
#[derive(Debug, Default)]
pub(crate) struct Ready(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    places: Mutex<VecDeque<Arc<Place>>>,
    grown: Notify,
}

/// Where a session keeps a partition, as those know it who wake the session.
#[derive(Debug)]
pub(crate) struct Place {
    index: AtomicUsize,
    /// Whether it is in the queue.
    is_ready: AtomicBool,
    /// Whether it will be put there when the partition moves on.
    is_watched: AtomicBool,
    /// The queue has its places: it must not be the other way round as well.
    queue: Weak<Queue>,
}

/// The index of what is no longer read.
const NOWHERE: usize = usize::MAX;

impl Ready {
    /// A place that is ready.
    pub(crate) fn place(&self, index: usize) -> Arc<Place> {
        let place = Arc::new(Place {
            index: AtomicUsize::new(index),
            is_ready: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            queue: Arc::downgrade(&self.0),
        });
        place.set_ready();
        place
    }

    /// Takes the place that has been ready for the longest.
    pub(crate) fn pop(&self) -> Option<Arc<Place>> {
        let place = self.0.lock().pop_front()?;
        // Before it is read: what comes meanwhile makes it ready anew.
        place.is_ready.store(false, Ordering::Release);
        Some(place)
    }

    /// Puts a place back that was not read after all: it is the next.
    pub(crate) fn put_back(&self, place: Arc<Place>) {
        if !place.is_ready.swap(true, Ordering::AcqRel) {
            self.0.lock().push_front(place);
        }
    }

    /// Forgets the places that are nowhere.
    pub(crate) fn sweep(&self) {
        self.0.lock().retain(|place| place.index() != NOWHERE);
    }

    /// Ends when a place has become ready since this ended last. Cancelling it loses nothing.
    pub(crate) async fn grown(&self) {
        self.0.grown.notified().await;
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(crate) fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed)
    }

    pub(crate) fn move_to(&self, index: usize) {
        self.index.store(index, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self) {
        self.move_to(NOWHERE);
    }

    pub(crate) fn set_ready(self: &Arc<Self>) {
        if self.is_ready.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(queue) = self.queue.upgrade() {
            queue.lock().push_back(self.clone());
            queue.grown.notify_one();
        }
    }

    /// Makes it ready, to be watched anew: the watch before is gone or has done its work.
    pub(crate) fn look_again(self: &Arc<Self>) {
        self.is_watched.store(false, Ordering::Release);
        self.set_ready();
    }

    /// Has it made ready when the partition moves on from where it was `seen`. Gives a watch to be kept
    /// in the place of the one before; none where that still holds.
    pub(crate) fn watch<D: Disk>(
        self: &Arc<Self>,
        partition: &Partition<D>,
        seen: Offsets,
    ) -> Option<Watch> {
        if self.is_watched.swap(true, Ordering::AcqRel) {
            return None;
        }
        let watch = partition.watch(&Waker::from(self.clone()));
        if partition.offsets() != seen {
            self.set_ready();
        }
        Some(watch)
    }
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        self.look_again();
    }
}
