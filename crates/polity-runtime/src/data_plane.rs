//! Data-plane threads: one per core, each a runtime of its own, so that a request never crosses threads or locks.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

/// A task as a data-plane thread runs it: it never leaves the thread it was made on.
pub type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// How many jobs may wait for a thread to take them up. Jobs are listeners and configuration, not
/// requests, so a thread that is this far behind is stuck.
const MAX_WAITING_JOBS: usize = 1024;

type Job = Box<dyn FnOnce() -> LocalFuture + Send>;

/// The threads that carry requests. Cheap to clone; the threads end when the last clone is dropped.
#[derive(Clone)]
pub struct DataPlane {
    threads: Arc<[mpsc::Sender<Job>]>,
}

impl DataPlane {
    /// Starts `count` threads (at least one).
    ///
    /// # Errors
    /// When the system has no thread or no epoll instance left.
    pub fn start(count: usize) -> io::Result<Self> {
        let threads = (0..count.max(1)).map(start_thread);
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
        })
    }

    /// How many threads there are; valid indexes for [`DataPlane::spawn`] are below it.
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// Runs what `job` makes on thread `index` (modulo their number). False when the thread is
    /// gone or its queue is full.
    pub fn spawn<F>(&self, index: usize, job: F) -> bool
    where
        F: FnOnce() -> LocalFuture + Send + 'static,
    {
        let thread = &self.threads[index % self.threads.len()];
        thread.try_send(Box::new(job)).is_ok()
    }
}

fn start_thread(index: usize) -> io::Result<mpsc::Sender<Job>> {
    let (sender, mut jobs) = mpsc::channel::<Job>(MAX_WAITING_JOBS);
    let (made, runtime_made) = sync_channel(1);
    thread::Builder::new()
        .name(format!("data-plane-{index}"))
        .spawn(move || {
            // One of local tasks alone: a task that is ready is queued once, not also in a set of such.
            let mut builder = Builder::new_current_thread();
            let runtime = match builder.enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime,
                // Whoever started the thread waits for this.
                Err(error) => return drop(made.send(Err(error))),
            };
            let _ = made.send(Ok(()));
            runtime.block_on(async move {
                while let Some(job) = jobs.recv().await {
                    tokio::task::spawn_local(job());
                }
            });
        })?;
    runtime_made.recv().map_err(io::Error::other)??;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_job_runs_on_the_thread_it_was_given_to() {
        let plane = DataPlane::start(2).expect("two threads");
        let (sender, mut names) = mpsc::channel(2);
        for index in 0..2 {
            let sender = sender.clone();
            assert!(plane.spawn(index, move || Box::pin(async move {
                let name = thread::current().name().map(str::to_owned);
                let _ = sender.send(name).await;
            })));
        }
        let mut got = [names.recv().await.flatten(), names.recv().await.flatten()];
        got.sort();
        assert_eq!(
            got.map(Option::unwrap_or_default),
            ["data-plane-0", "data-plane-1"]
        );
    }
}
