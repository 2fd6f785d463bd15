//! How many producers all partitions know together: each takes memory, and whoever likes calls himself by as
//! many ids as he likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The producers of all partitions of a log.
#[derive(Debug)]
pub(crate) struct Everybody {
    known: AtomicUsize,
    most: usize,
}

/// Those of one partition among them, until this is dropped.
#[derive(Debug)]
pub(crate) struct Count {
    all: Arc<Everybody>,
    own: usize,
}

impl Everybody {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            known: AtomicUsize::new(0),
            most,
        })
    }

    /// Of a partition that knows none yet.
    pub(crate) fn count(self: &Arc<Self>) -> Count {
        Count {
            all: self.clone(),
            own: 0,
        }
    }

    fn are_too_many(&self) -> bool {
        self.known.load(Ordering::Relaxed) > self.most
    }
}

impl Count {
    /// The partition knows so many now. Says whether more have come and all are too many.
    pub(crate) fn is_too_many(&mut self, own: usize) -> bool {
        let before = std::mem::replace(&mut self.own, own);
        match own.cmp(&before) {
            // As of most batches, which nothing is shared for.
            std::cmp::Ordering::Equal => false,
            std::cmp::Ordering::Less => {
                self.all.known.fetch_sub(before - own, Ordering::Relaxed);
                false
            }
            std::cmp::Ordering::Greater => {
                self.all.known.fetch_add(own - before, Ordering::Relaxed);
                self.all.are_too_many()
            }
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.all.known.fetch_sub(self.own, Ordering::Relaxed);
    }
}
