//! The thread that writes lines to files, so that a slow or full disk holds up nobody.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use polity_core::ServiceName;

use super::Line;
use super::rotation::{Limits, Rotation};

/// How many lines may wait for the disk.
const MAX_QUEUED_LINES: usize = 16 << 10;

/// And how many bytes of text.
const MAX_QUEUED_BYTES: usize = 16 << 20;

/// How many lines are taken from the queue before they are written.
const MAX_BATCH: usize = 1024;

/// After a failed write, how long the disk is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How long [`Writer::flush`] waits for a disk that does not answer.
const MAX_FLUSH_WAIT: Duration = Duration::from_secs(2);

/// Hands lines to the thread. The thread ends, with all written, when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: SyncSender<Job>,
    health: Arc<Health>,
}

/// How the writing goes.
#[derive(Debug, Default)]
pub(super) struct Health {
    lost: AtomicU64,
    queued_bytes: AtomicUsize,
    error: Mutex<Option<String>>,
}

enum Job {
    Write(Arc<Line>),
    /// Answered when all before it is written or lost.
    Flush(SyncSender<()>),
}

impl Writer {
    /// Starts the thread for the files under `folder`.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(folder: PathBuf, limits: Limits) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(MAX_QUEUED_LINES);
        let health = Arc::new(Health::default());
        let mut files = Files {
            folder,
            limits,
            services: BTreeMap::new(),
            health: health.clone(),
            retry_at: None,
        };
        thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || files.run(&queue))?;
        Ok(Self { jobs, health })
    }

    /// Queues a line; counts it as lost when the disk is too far behind. Never waits.
    pub(super) fn write(&self, line: &Arc<Line>) {
        let bytes = line.text.len();
        let queued = self.health.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let sent =
            queued <= MAX_QUEUED_BYTES && self.jobs.try_send(Job::Write(line.clone())).is_ok();
        if !sent {
            self.health.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.health.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits, within bounds, until what was queued before is in the files.
    pub(super) fn flush(&self) {
        let (done, finished) = sync_channel(1);
        let mut job = Job::Flush(done);
        let deadline = Instant::now() + MAX_FLUSH_WAIT;
        while let Err(TrySendError::Full(back)) = self.jobs.try_send(job) {
            if Instant::now() > deadline {
                return;
            }
            job = back;
            thread::sleep(Duration::from_millis(1));
        }
        let _ = finished.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }
}

impl Health {
    /// Lines that are in no file.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Why lines cannot be written now, if so.
    pub(super) fn error(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.error
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

struct Files {
    folder: PathBuf,
    limits: Limits,
    services: BTreeMap<ServiceName, Rotation>,
    health: Arc<Health>,
    retry_at: Option<Instant>,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Files {
    fn run(&mut self, queue: &Receiver<Job>) {
        let mut batches: BTreeMap<ServiceName, Batch> = BTreeMap::new();
        while let Ok(first) = queue.recv() {
            let mut done = Vec::new();
            let others = std::iter::from_fn(|| queue.try_recv().ok());
            for job in std::iter::once(first).chain(others).take(MAX_BATCH) {
                match job {
                    Job::Write(line) => self.take(&mut batches, &line),
                    Job::Flush(answer) => done.push(answer),
                }
            }
            for (service, batch) in std::mem::take(&mut batches) {
                self.write(&service, &batch);
            }
            for answer in done {
                let _ = answer.try_send(());
            }
        }
    }

    fn take(&self, batches: &mut BTreeMap<ServiceName, Batch>, line: &Line) {
        self.health
            .queued_bytes
            .fetch_sub(line.text.len(), Ordering::Relaxed);
        let batch = batches.entry(line.service.clone()).or_default();
        let before = batch.bytes.len();
        if serde_json::to_writer(&mut batch.bytes, line).is_err() {
            // Cannot be, for text and numbers; but half a line must not stay.
            batch.bytes.truncate(before);
            return;
        }
        batch.bytes.push(b'\n');
        batch.lines += 1;
    }

    fn write(&mut self, service: &ServiceName, batch: &Batch) {
        let waiting = self.retry_at.is_some_and(|at| Instant::now() < at);
        let result = if waiting {
            None
        } else {
            Some(self.append(service, &batch.bytes))
        };
        match result {
            Some(Ok(())) => {
                self.retry_at = None;
                if self.health.lock().take().is_some() {
                    let lost = self.health.lost();
                    tracing::info!(lost, "output is written to files again");
                }
            }
            Some(Err(error)) => {
                self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
                self.health.lost.fetch_add(batch.lines, Ordering::Relaxed);
                let before = self.health.lock().replace(error.to_string());
                // Once for each trouble, however many lines it costs.
                if before.is_none() {
                    let folder = self.folder.display();
                    tracing::error!(%folder, %error, "output cannot be written to files: it is lost until it can");
                }
            }
            None => {
                self.health.lost.fetch_add(batch.lines, Ordering::Relaxed);
            }
        }
    }

    fn append(&mut self, service: &ServiceName, bytes: &[u8]) -> io::Result<()> {
        let (folder, limits) = (&self.folder, self.limits);
        let files = self
            .services
            .entry(service.clone())
            .or_insert_with(|| Rotation::new(service_folder(folder, service), limits));
        files.append(bytes)
    }
}

/// Where a service's files are.
pub(super) fn service_folder(folder: &Path, service: &ServiceName) -> PathBuf {
    folder.join(service.as_str())
}
