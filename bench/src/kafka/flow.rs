//! Records at a fixed pace, from a producer through the broker to consumers that wait for them.
//!
//! A latency counts from when a record was due, not from when it could be sent, to when a consumer has it: a
//! broker that stalls is seen by all that it delays (no coordinated omission).

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};

use super::Target;
use super::batch::{self, Producer};
use super::client::Client;
use super::fetch::Consumer;
use super::produce::{self, Request};
use super::topic::{self, Topic};
use crate::load::{Summary, noise, together};
use crate::open_loop::be_woken_exactly;

/// Requests of a producer that wait for an answer at the same time: as many as Kafka allows for.
const IN_FLIGHT: usize = 5;
/// Of a batch, at most.
const BATCH_BYTES: usize = 65_536;
/// How long the last records are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// Each has a connection, and reads all.
    #[arg(long, default_value_t = 1)]
    consumers: usize,
    /// Records a second.
    #[arg(long)]
    rate: f64,
    /// Of a record's value; eight at least.
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// How long records wait for others to go with them.
    #[arg(long, default_value_t = 0.0)]
    linger_ms: f64,
    #[arg(long)]
    seconds: f64,
    /// Records before those that count.
    #[arg(long, default_value_t = 0.5)]
    warm_up_seconds: f64,
}

/// Requests that are not answered yet.
#[derive(Default)]
struct Window {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: usize,
    /// Why no more answers are taken.
    failure: Option<anyhow::Error>,
}

impl Window {
    /// Waits until one more may be sent.
    fn enter(&self) -> anyhow::Result<()> {
        let is_full = |state: &mut State| state.open >= IN_FLIGHT && state.failure.is_none();
        let (mut state, waited) = self
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, is_full)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        ensure!(!waited.timed_out(), "the broker does not answer");
        state.open += 1;
        Ok(())
    }

    fn answered(&self, answer: anyhow::Result<()>) {
        let mut state = self.lock();
        state.open -= 1;
        // What follows a failure fails by it.
        state.failure = state.failure.take().or(answer.err());
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    be_woken_exactly()?;
    let topic = topic::expect(&options.target)?;
    let connect = || Client::connect(options.target.address);
    let consumers: Vec<Client> = (0..options.consumers)
        .map(|_| connect())
        .collect::<Result<_, _>>()?;
    let mut client = connect()?;
    let sender = Sender {
        options,
        topic,
        identity: topic::producer(&mut client)?,
        stream: client.writer()?,
        window: Arc::default(),
        began: Instant::now(),
        sequences: vec![0; usize::try_from(topic.partitions)?],
        most: batch::records_within(BATCH_BYTES, options.record_bytes) as u64,
    };
    let (began, window) = (sender.began, sender.window.clone());
    let whole = options.warm_up_seconds + options.seconds;
    let records = (options.rate * whole) as u64;
    let summary = thread::scope(|scope| {
        let sending = scope.spawn(move || sender.run(records));
        // Its end is that of the connection, which the answers' last reader sees as an error.
        scope.spawn(move || {
            while let Ok(answer) = client.receive() {
                window.answered(produce::check(answer));
            }
        });
        let consumed = together(consumers, |client| {
            consume(Consumer::new(client, topic), records, began, options)
        });
        let sent = sending
            .join()
            .map_err(|_| anyhow!("the producer panicked"))?;
        // Whoever reads its answers waits for nothing more.
        sent?.shutdown(Shutdown::Both)?;
        consumed
    })?;
    println!("{}", summary.json(Duration::from_secs_f64(whole)));
    Ok(())
}

struct Sender<'a> {
    options: &'a Options,
    topic: Topic,
    identity: Producer,
    stream: TcpStream,
    window: Arc<Window>,
    began: Instant,
    sequences: Vec<i32>,
    /// Records of a batch.
    most: u64,
}

impl Sender<'_> {
    /// Sends what is due in one batch, whenever something is and the broker has answered enough. Gives
    /// the connection back.
    fn run(mut self, records: u64) -> anyhow::Result<TcpStream> {
        let interval = 1e9 / self.options.rate;
        let due = |record: u64| Duration::from_nanos((record as f64 * interval) as u64);
        let linger = Duration::from_secs_f64(self.options.linger_ms / 1000.0);
        let mut value = noise(1, self.options.record_bytes.max(8));
        let (mut next, mut turn) = (0, 0);
        while next < records {
            let wake = due(next) + linger;
            if let Some(early) = wake.checked_sub(self.began.elapsed()) {
                thread::sleep(early);
            }
            self.window.enter()?;
            let now = self.began.elapsed();
            let ready = (now.as_nanos() as f64 / interval) as u64 + 1;
            let ready = ready.clamp(next + 1, next + self.most).min(records);
            let values: Vec<Vec<u8>> = (next..ready)
                .map(|record| {
                    let stamp = (due(record).as_nanos() as u64).to_be_bytes();
                    value[..8].copy_from_slice(&stamp);
                    value.clone()
                })
                .collect();
            self.send(turn, &values)?;
            turn = (turn + 1) % self.sequences.len();
            next = ready;
        }
        Ok(self.stream)
    }

    fn send(&mut self, partition: usize, values: &[Vec<u8>]) -> anyhow::Result<()> {
        let batch = batch::batch(
            self.identity,
            produce::now_ms(),
            values.iter().map(Vec::as_slice),
        );
        let mut request = Request::new(self.topic, i32::try_from(partition)?, batch)?;
        let sequence = &mut self.sequences[partition];
        self.stream
            .write_all(request.signed(*sequence))
            .context("the broker closed the connection")?;
        *sequence += i32::try_from(values.len())?;
        Ok(())
    }
}

fn consume(
    mut consumer: Consumer,
    records: u64,
    began: Instant,
    options: &Options,
) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let warm_up = Duration::from_secs_f64(options.warm_up_seconds).as_nanos() as u64;
    let end = Duration::from_secs_f64(options.warm_up_seconds + options.seconds) + PATIENCE;
    let mut seen = 0;
    while seen < records {
        if began.elapsed() > end {
            bail!("{} records did not come", records - seen);
        }
        summary.bytes += consumer.poll(|batch| {
            let now = began.elapsed().as_nanos() as u64;
            let due = batch.stamps()?;
            let counts = due.iter().filter(|due| **due >= warm_up);
            summary
                .latencies
                .extend(counts.map(|due| now.saturating_sub(*due)));
            seen += due.len() as u64;
            Ok(())
        })?;
    }
    summary.records = seen;
    Ok(summary)
}
