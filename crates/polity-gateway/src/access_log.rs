//! The access log: a JSON line per request, gathered per thread and written by a thread of its own.
//!
//! No request ever waits for it. Lines are gathered in the data-plane thread that made them, handed
//! over in batches through a bounded queue, and dropped and counted where the disk does not keep up.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use polity_http::date::civil;
use serde::{Serialize, Serializer};

#[cfg(test)]
#[path = "access_log_tests.rs"]
mod tests;

/// Batches that may wait for the disk; with [`BATCH`], 4 MiB.
const MAX_WAITING_BATCHES: usize = 256;

/// Bytes of lines that a thread gathers before it hands them over. What is gathered is also handed
/// over at every tick of the data plane, so a line is in the file within a moment.
const BATCH: usize = 16 * 1024;

/// From one report of trouble with the file to the next.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// One line.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    #[serde(serialize_with = "as_time")]
    time: SystemTime,
    client: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caller: Option<&'a str>,
    pub(crate) method: &'a str,
    /// In normal form, without the query: queries hold secrets.
    pub(crate) path: &'a str,
    pub(crate) route: Option<&'a str>,
    pub(crate) service: Option<&'a str>,
    pub(crate) instance: Option<&'a str>,
    /// None when the client was sent no answer.
    pub(crate) status: Option<u16>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    #[serde(rename = "duration_ms", serialize_with = "as_milliseconds")]
    pub(crate) duration: Duration,
    #[serde(rename = "upstream_ms", serialize_with = "as_optional_milliseconds")]
    pub(crate) upstream: Option<Duration>,
    pub(crate) attempts: u32,
    pub(crate) reason: Option<&'a str>,
    pub(crate) trace_id: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
}

impl Line<'_> {
    /// The line of a request from `client` that ends now, with nothing known about it.
    pub(crate) fn new(client: IpAddr) -> Self {
        Self {
            time: SystemTime::now(),
            client,
            caller: None,
            method: "",
            path: "",
            route: None,
            service: None,
            instance: None,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration: Duration::ZERO,
            upstream: None,
            attempts: 0,
            reason: None,
            trace_id: None,
            request_id: None,
        }
    }
}

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
}

impl AccessLog {
    /// Opens `path` for appending and starts its thread.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread started.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
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

    /// Waits until all that was handed over is written.
    pub(crate) fn finish(self) {
        // An empty batch is the end. A writer that is gone has reported its panic by itself.
        let _ = self.queue.batches.send(Vec::new());
        let _ = self.writer.join();
    }
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
        let before = lines.bytes.len();
        if serde_json::to_writer(&mut lines.bytes, line).is_err() {
            // Every field of a line can be written; should one not be, half a line helps nobody.
            lines.bytes.truncate(before);
            return;
        }
        lines.bytes.push(b'\n');
        lines.count += 1;
        let full = lines.bytes.len() >= BATCH;
        drop(lines);
        if full {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub(crate) fn flush(&self) {
        let lines = self.lines.take();
        if lines.count == 0 {
            return;
        }
        match self.queue.batches.try_send(lines.bytes) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.queue.dropped.fetch_add(lines.count, Ordering::Relaxed);
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

/// RFC 3339 in UTC, to the millisecond.
fn as_time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let age = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let (year, month, day) = civil(age.as_secs() / 86_400);
    let second = age.as_secs() % 86_400;
    serializer.collect_str(&format_args!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        age.subsec_millis()
    ))
}

fn as_milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // To the microsecond: more digits are noise.
    serializer.serialize_f64(time.as_micros() as f64 / 1000.0)
}

fn as_optional_milliseconds<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => as_milliseconds(time, serializer),
        None => serializer.serialize_none(),
    }
}
