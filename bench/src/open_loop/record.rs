//! Every request of a run, for who wants to know how it went second by second.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::{Outcome, Status};

/// Lines of `MOMENT LATENCY STATUS`: when it was due, in microseconds since 1970, how many later it was
/// answered, and `ok`, `refused` or `failed`.
pub(super) struct Record {
    path: PathBuf,
    /// Since 1970.
    began: Duration,
    lines: Vec<(Duration, Duration, Status)>,
}

impl Record {
    /// Of a run that begins now.
    pub(super) fn new(path: PathBuf) -> Self {
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            path,
            began: began.unwrap_or_default(),
            lines: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, outcome: &Outcome) {
        let due = self.began + outcome.due;
        self.lines.push((due, outcome.latency, outcome.status));
    }

    pub(super) fn write(&self) -> anyhow::Result<()> {
        let file = File::create(&self.path);
        let file = file.with_context(|| format!("could not write {}", self.path.display()))?;
        let mut file = BufWriter::new(file);
        for (due, latency, status) in &self.lines {
            let status = match status {
                Status::Ok => "ok",
                Status::Refused => "refused",
                Status::Failed => "failed",
            };
            writeln!(file, "{} {} {status}", due.as_micros(), latency.as_micros())?;
        }
        Ok(file.flush()?)
    }
}
