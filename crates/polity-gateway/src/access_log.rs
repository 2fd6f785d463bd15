//! The access log: a JSON line per request, gathered per thread and written by a thread of its own.
//!
//! No request ever waits for it. Lines are gathered in the data-plane thread that made them, handed
//! over in batches through a bounded queue, and dropped and counted where the disk does not keep up.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

mod line;
#[cfg(test)]
mod tests;

pub(crate) use line::Line;
use line::Stamp;

/// Batches that may wait for the disk; with [`BATCH`], 4 MiB.
const MAX_WAITING_BATCHES: usize = 64;

/// Bytes of lines that a thread gathers before it hands them over. What is gathered is also handed
/// over at every tick of the data plane, so a line is in the file within a moment.
const BATCH: usize = 64 * 1024;

/// Room for a batch and the line that fills it, so that gathering never moves what is gathered.
const BATCH_CAPACITY: usize = BATCH + 4096;

/// From one report of trouble with the file to the next.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The file and the thread that writes it.
pub(crate) struct AccessLog {
    queue: LogQueue,
    writer: JoinHandle<()>,
}

/// The way to the writer, for any thread.
#[derive(Clone)]
pub(crate) struct LogQueue {
    batches: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

/// One data-plane thread's lines that are not handed over yet.
pub(crate) struct LogBuffer {
    queue: LogQueue,
    lines: RefCell<Gathered>,
}

#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    count: u64,
    stamp: Stamp,
}

impl AccessLog {
    /// Opens `path` for appending and starts its thread.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread started.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = open_for_appending(path)?;
        let (batches, queue) = sync_channel(MAX_WAITING_BATCHES);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = dropped.clone();
        let path = path.to_owned();
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_batches(file, &path, &queue, &lost))?;
        Ok(Self {
            queue: LogQueue { batches, dropped },
            writer,
        })
    }

    /// The way to it.
    pub(crate) fn queue(&self) -> LogQueue {
        self.queue.clone()
    }

    /// Waits until all that was handed over is written. Cancelling it gives that up; a writer that
    /// hangs, as on a pipe that nobody empties, then keeps nothing else from ending.
    pub(crate) async fn finished(self) {
        let (done, finished) = tokio::sync::oneshot::channel::<()>();
        let waiting = std::thread::Builder::new().name("access-log-end".to_owned());
        let waiting = waiting.spawn(move || {
            self.finish();
            drop(done);
        });
        if waiting.is_ok() {
            // It ends by being dropped.
            let _ = finished.await;
        }
    }

    fn finish(self) {
        // An empty batch is the end. A writer that is gone has reported its panic by itself.
        let _ = self.queue.batches.send(Vec::new());
        let _ = self.writer.join();
    }
}

/// Opening a pipe (FIFO) that has no reader would wait for one, and Polity not start. With one, it
/// is written like a file: the thread that waits then is the log's own.
fn open_for_appending(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).map_err(|error| match error {
        error if Errno::from_io_error(&error) == Some(Errno::NXIO) => io::Error::new(
            error.kind(),
            "it is a pipe that nobody reads: start its reader first",
        ),
        error => error,
    })?;
    let flags = fcntl_getfl(&file)? - OFlags::NONBLOCK;
    fcntl_setfl(&file, flags)?;
    Ok(file)
}

impl LogBuffer {
    pub(crate) fn new(queue: LogQueue) -> Self {
        Self {
            queue,
            lines: RefCell::default(),
        }
    }

    /// Adds a line.
    pub(crate) fn write(&self, line: &Line<'_>) {
        let mut lines = self.lines.borrow_mut();
        let Gathered {
            bytes,
            count,
            stamp,
        } = &mut *lines;
        line.write(stamp, bytes);
        *count += 1;
        let full = bytes.len() >= BATCH;
        drop(lines);
        if full {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub(crate) fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        let count = std::mem::take(&mut lines.count);
        if count == 0 {
            return;
        }
        let bytes = std::mem::replace(&mut lines.bytes, Vec::with_capacity(BATCH_CAPACITY));
        match self.queue.batches.try_send(bytes) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.queue.dropped.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

fn write_batches(mut file: File, path: &Path, batches: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    let mut reported: Option<Instant> = None;
    let mut broken_off = false;
    while let Ok(mut batch) = batches.recv() {
        if batch.is_empty() {
            return;
        }
        if broken_off {
            // What was written of the line before is no line.
            batch.insert(0, b'\n');
        }
        let failed = file.write_all(&batch).err();
        if failed.is_some() {
            let lines = batch.iter().filter(|byte| **byte == b'\n').count();
            dropped.fetch_add(lines as u64, Ordering::Relaxed);
        }
        broken_off = failed.is_some();
        let due = reported.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL);
        if due {
            let lost = dropped.swap(0, Ordering::Relaxed);
            if lost > 0 {
                reported = Some(Instant::now());
                let why =
                    failed.map_or("the disk is too slow".to_owned(), |error| error.to_string());
                tracing::warn!(path = %path.display(), lines = lost, %why, "access log lines were dropped");
            }
        }
    }
}
