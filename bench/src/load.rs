//! What loads for brokers have in common: threads, how much each may do, and what comes out.

use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

/// For any answer.
const PATIENCE: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// How much is produced, in what portions.
#[derive(clap::Args)]
pub(crate) struct Producing {
    /// Each has a connection, and one partition where there are some.
    #[arg(long, default_value_t = 1)]
    pub(crate) producers: usize,
    /// Of a record's value.
    #[arg(long, default_value_t = 1024)]
    pub(crate) record_bytes: usize,
    /// Of a batch, or of what else is sent in one go, at most; 0 is one record.
    #[arg(long, default_value_t = 65_536)]
    pub(crate) batch_bytes: usize,
    /// Batches of one producer that wait for an answer at the same time; Kafka allows for five.
    #[arg(long, default_value_t = 5)]
    pub(crate) in_flight: usize,
    /// How many threads serve the producers, if not one for each.
    #[arg(long)]
    threads: Option<usize>,
    /// How many records, all in all; batches are not broken for it.
    #[arg(long, default_value_t = u64::MAX)]
    records: u64,
    /// How long, if the records last.
    #[arg(long, default_value_t = 3600.0)]
    seconds: f64,
}

impl Producing {
    /// In batches of so many records.
    pub(crate) fn quota(&self, records: usize) -> Quota {
        Quota::new(self.seconds, self.records.div_ceil(records as u64))
    }

    /// Has all of them produce until nothing is left of the quota, and says what came of it.
    pub(crate) fn run<C: Connection + Send>(&self, producers: Vec<C>) -> anyhow::Result<()> {
        let began = Instant::now();
        let summary = serve(producers, self.threads.unwrap_or(self.producers))?;
        let took = began.elapsed();
        ensure!(summary.records > 0, "nothing was produced");
        println!("{}", summary.json(took));
        Ok(())
    }
}

/// What threads that are at work together may still do.
#[derive(Debug)]
pub(crate) struct Quota {
    pub(crate) began: Instant,
    deadline: Duration,
    left: AtomicU64,
}

impl Quota {
    /// So much, and for so long, from now on.
    pub(crate) fn new(seconds: f64, amount: u64) -> Self {
        Self {
            began: Instant::now(),
            deadline: Duration::from_secs_f64(seconds),
            left: AtomicU64::new(amount),
        }
    }

    /// Whether there is one more, which is the caller's then.
    pub(crate) fn take(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        self.began.elapsed() < self.deadline
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_ok()
    }
}

/// Runs a thread for each, and brings together what comes of them.
pub(crate) fn together<T: Send>(
    all: Vec<T>,
    run: impl Fn(T) -> anyhow::Result<Summary> + Sync,
) -> anyhow::Result<Summary> {
    let run = &run;
    thread::scope(|scope| {
        let running: Vec<_> = all
            .into_iter()
            .map(|one| scope.spawn(move || run(one)))
            .collect();
        running.into_iter().try_fold(Summary::default(), |sum, it| {
            let one = it.join().map_err(|_| anyhow!("a thread panicked"))??;
            Ok(sum.merge(one))
        })
    })
}

/// One of the connections that a thread serves.
pub(crate) trait Connection: Send {
    fn stream(&self) -> &TcpStream;

    /// Sends what may be sent now; false when nothing is left to be sent or answered.
    fn send(&mut self) -> anyhow::Result<bool>;

    /// Takes an answer, which has begun to come, and all that have come with it.
    fn receive(&mut self, summary: &mut Summary) -> anyhow::Result<()>;
}

/// Serves connections with so many threads. Few threads that have much to do cost a server less than many
/// that it has to wake for each answer.
pub(crate) fn serve<C: Connection>(mut all: Vec<C>, threads: usize) -> anyhow::Result<Summary> {
    let each = all.len().div_ceil(threads.max(1)).max(1);
    let mut parts = Vec::new();
    while !all.is_empty() {
        parts.push(all.split_off(all.len().saturating_sub(each)));
    }
    together(parts, serve_some)
}

fn serve_some<C: Connection>(mut all: Vec<C>) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    loop {
        let mut open = Vec::with_capacity(all.len());
        for mut one in all {
            if one.send()? {
                open.push(one);
            }
        }
        all = open;
        if all.is_empty() {
            return Ok(summary);
        }
        for one in readable(&all)? {
            all[one].receive(&mut summary)?;
        }
    }
}

/// Waits until some can be read, and gives their places.
fn readable<C: Connection>(all: &[C]) -> anyhow::Result<Vec<usize>> {
    let streams = all.iter().map(Connection::stream);
    let mut polled: Vec<PollFd<'_>> = streams
        .map(|stream| PollFd::new(stream, PollFlags::IN))
        .collect();
    let ready = poll(&mut polled, Some(&PATIENCE))?;
    ensure!(ready > 0, "no answer came");
    let is_ready = |(_, one): &(usize, &PollFd<'_>)| !one.revents().is_empty();
    let ready = polled.iter().enumerate().filter(is_ready);
    Ok(ready.map(|(place, _)| place).collect())
}

/// Bytes that no compression makes less of, alike in each run.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    // Xorshift (Marsaglia), which must not begin with 0.
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(next());
    }
    bytes.truncate(length);
    bytes
}

/// What was done, and how long each of it took.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// In nanoseconds.
    pub(crate) latencies: Vec<u64>,
}

impl Summary {
    pub(crate) fn merge(mut self, mut other: Self) -> Self {
        self.records += other.records;
        self.bytes += other.bytes;
        self.latencies.append(&mut other.latencies);
        self
    }

    pub(crate) fn json(mut self, took: Duration) -> Value {
        self.latencies.sort_unstable();
        json!({
            "records": self.records,
            "bytes": self.bytes,
            "seconds": took.as_secs_f64(),
            "answers": self.latencies.len(),
            "p50_us": self.percentile(0.5),
            "p99_us": self.percentile(0.99),
        })
    }

    /// The smallest latency that `share` of all do not exceed, in microseconds; none if there are none.
    fn percentile(&self, share: f64) -> Option<f64> {
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        let nanoseconds = *self.latencies.get(rank.saturating_sub(1))?;
        Some(nanoseconds as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_done_than_there_is() {
        let quota = Quota::new(60.0, 5);
        let run = |_| {
            let mut summary = Summary::default();
            while quota.take() {
                summary.records += 1;
            }
            Ok(summary)
        };
        assert_eq!(together(vec![(); 3], run).expect("it runs").records, 5);
        assert!(!Quota::new(0.0, 5).take());
    }

    #[test]
    fn summaries_come_together() {
        let part = |latencies: Vec<u64>| Summary {
            records: 2,
            bytes: 20,
            latencies,
        };
        let both = part((51..=100).map(|it| it * 1000).collect());
        let both = both.merge(part((1..=50).map(|it| it * 1000).collect()));
        let json = both.json(Duration::from_secs(2));
        assert_eq!(json["records"], 4);
        assert_eq!(
            (&json["p50_us"], &json["p99_us"]),
            (&50.0.into(), &99.0.into())
        );
        assert!(Summary::default().json(Duration::ZERO)["p50_us"].is_null());
    }
}
