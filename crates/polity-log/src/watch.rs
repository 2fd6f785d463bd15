//! Who waits for a partition to move on: long polls, and answers that wait for the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Those who wait for one partition.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    waiting: Vec<(u64, Waker)>,
}

/// Somebody waits as long as this is held. It wakes once; to wait again is to watch again.
#[derive(Debug)]
#[must_use = "nobody is woken once it is dropped"]
pub struct Watch {
    watchers: Arc<Watchers>,
    number: u64,
}

impl Watchers {
    /// Wakes this one when the partition next moves on. Look at the partition after this, not before.
    pub(crate) fn watch(self: &Arc<Self>, waker: Waker) -> Watch {
        let mut list = self.lock();
        let number = list.next;
        list.next += 1;
        list.waiting.push((number, waker));
        Watch {
            watchers: self.clone(),
            number,
        }
    }

    pub(crate) fn wake(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        // Outside of the lock: who is woken may watch again at once.
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut list = self.watchers.lock();
        // Numbers rise.
        if let Ok(at) = list
            .waiting
            .binary_search_by_key(&self.number, |(number, _)| *number)
        {
            let (_, waker) = list.waiting.remove(at);
            drop(list);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_watches_is_woken_once_and_who_stopped_is_not() {
        let watchers = Arc::new(Watchers::default());
        let count = Arc::new(Count::default());
        let watch = || watchers.watch(count.clone().into());
        let (first, second, third) = (watch(), watch(), watch());
        drop(second);
        watchers.wake();
        watchers.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        drop((first, third));
        let _fourth = watch();
        assert_eq!(watchers.lock().waiting.len(), 1);
    }
}
