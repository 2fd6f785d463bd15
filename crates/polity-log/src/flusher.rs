//! Threads that make partitions durable, so that one flush serves everybody who waits.
//!
//! A partition is in the queue once, however many appended to it: what comes while it waits is flushed
//! with the rest, and what comes while it is being flushed has it queued again. The threads are few
//! more than a disk takes requests at the same time; the file system gathers their flushes into one
//! commit of its journal.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::disk::Disk;
use crate::partition::{Partition, Shared};

/// Partitions that have something to make durable.
#[derive(Debug)]
pub(crate) struct FlushQueue<D: Disk> {
    waiting: Mutex<Waiting<D>>,
    wake: Condvar,
}

#[derive(Debug)]
struct Waiting<D: Disk> {
    partitions: VecDeque<Arc<Partition<D>>>,
    idle: usize,
    is_stopped: bool,
}

/// What a partition is to the queue; changed under the queue's lock, but for a first look.
const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const FLUSHING: u8 = 2;
const FLUSHING_AND_QUEUED: u8 = 3;

impl<D: Disk> Default for FlushQueue<D> {
    fn default() -> Self {
        let waiting = Waiting {
            partitions: VecDeque::new(),
            idle: 0,
            is_stopped: false,
        };
        Self {
            waiting: Mutex::new(waiting),
            wake: Condvar::new(),
        }
    }
}

impl<D: Disk> FlushQueue<D> {
    /// Has a partition flushed with all that was appended before.
    pub(crate) fn push(&self, partition: &Arc<Partition<D>>) {
        let mut waiting = self.lock();
        let stage = partition.flush_stage();
        match stage.load(Ordering::Relaxed) {
            IDLE => {
                stage.store(QUEUED, Ordering::Relaxed);
                waiting.partitions.push_back(partition.clone());
                let is_somebody_idle = waiting.idle > 0;
                drop(waiting);
                if is_somebody_idle {
                    self.wake.notify_one();
                }
            }
            FLUSHING => stage.store(FLUSHING_AND_QUEUED, Ordering::Relaxed),
            _ => {}
        }
    }

    /// Flushes what is queued, on this thread.
    pub(crate) fn drain(&self) {
        loop {
            // Not in the loop's head, which would keep the lock.
            let next = self.lock().take();
            match next {
                Some(partition) => self.flush(&partition),
                None => break,
            }
        }
    }

    fn flush(&self, partition: &Arc<Partition<D>>) {
        partition.flush();
        let mut waiting = self.lock();
        let stage = partition.flush_stage();
        match stage.load(Ordering::Relaxed) {
            FLUSHING_AND_QUEUED => {
                stage.store(QUEUED, Ordering::Relaxed);
                waiting.partitions.push_back(partition.clone());
            }
            _ => stage.store(IDLE, Ordering::Relaxed),
        }
    }

    fn work(&self) {
        loop {
            let mut waiting = self.lock();
            let partition = loop {
                if let Some(partition) = waiting.take() {
                    break partition;
                }
                if waiting.is_stopped {
                    return;
                }
                waiting.idle += 1;
                waiting = self
                    .wake
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
                waiting.idle -= 1;
            };
            drop(waiting);
            self.flush(&partition);
        }
    }

    fn stop(&self) {
        self.lock().is_stopped = true;
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<D>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Disk> Waiting<D> {
    fn take(&mut self) -> Option<Arc<Partition<D>>> {
        let partition = self.partitions.pop_front()?;
        partition.flush_stage().store(FLUSHING, Ordering::Relaxed);
        Some(partition)
    }
}

/// The threads. They end, with all that is queued flushed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Flusher<D: Disk> {
    shared: Arc<Shared<D>>,
    threads: Vec<JoinHandle<()>>,
}

impl<D: Disk> Flusher<D> {
    pub(crate) fn start(shared: &Arc<Shared<D>>, threads: usize) -> io::Result<Self> {
        let mut flusher = Self {
            shared: shared.clone(),
            threads: Vec::new(),
        };
        for number in 0..threads {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name(format!("flush-{number}"));
            flusher
                .threads
                .push(thread.spawn(move || shared.queue.work())?);
        }
        Ok(flusher)
    }
}

impl<D: Disk> Drop for Flusher<D> {
    fn drop(&mut self) {
        self.shared.queue.stop();
        for thread in self.threads.drain(..) {
            // It panicked, which it has said.
            let _ = thread.join();
        }
        self.shared.queue.drain();
    }
}
