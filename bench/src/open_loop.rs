//! Requests at fixed times, whatever comes back. A latency counts from the time at which its request
//! was due, not from when it could be sent: else a proxy that stalls would delay the requests that
//! were to show it, and look well (coordinated omission).

mod record;
mod report;
mod sender;

use std::io;
use std::net::{SocketAddr, TcpStream as Writer};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc as results;
use tokio::time::sleep;

use crate::http;
pub(crate) use sender::be_woken_exactly;

use record::Record;
use report::Report;

/// How long requests that are due are still sent after the last was due.
const LATE: Duration = Duration::from_millis(200);
/// How long answers are waited for beyond a client's patience.
const GRACE: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    path: String,
    /// Requests a second.
    #[arg(long)]
    rate: f64,
    /// Requests on their way at once, at most; more are due, and wait.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long)]
    seconds: f64,
    /// Requests before those that count.
    #[arg(long, default_value_t = 0.5)]
    warm_up_seconds: f64,
    /// An answer later than this is of no use to a client.
    #[arg(long, default_value_t = 1000)]
    patience_ms: u64,
    /// Writes down each request, those of the warm-up included; see `record.rs`.
    #[arg(long)]
    record: Option<PathBuf>,
}

/// What became of one request.
struct Outcome {
    due: Duration,
    latency: Duration,
    status: Status,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    /// 503: refused quickly, as an overloaded server should.
    Refused,
    Failed,
}

/// A connection that can be sent a request.
struct Idle {
    writer: Arc<Writer>,
    /// When the request on it was due, in nanoseconds since the beginning.
    due: Arc<AtomicU64>,
}

/// The answers of one connection after the other.
struct Reader {
    address: SocketAddr,
    began: Instant,
    idle: mpsc::Sender<Idle>,
    outcomes: results::UnboundedSender<Outcome>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let (idle, free) = mpsc::channel();
    let (sink, mut outcomes) = results::unbounded_channel();
    let warm_up = Duration::from_secs_f64(options.warm_up_seconds);
    let whole = warm_up + Duration::from_secs_f64(options.seconds);
    let mut streams = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        streams.push(connect(options.address).await?);
    }
    let mut record = options.record.map(Record::new);
    let began = Instant::now();
    for stream in streams {
        let reader = Reader {
            address: options.address,
            began,
            idle: idle.clone(),
            outcomes: sink.clone(),
        };
        tokio::spawn(reader.run(stream));
    }
    drop((idle, sink));
    let due = sender::arrivals(whole, options.rate);
    let schedule = sender::Schedule {
        began,
        due: due.clone(),
        give_up: whole + LATE,
    };
    sender::be_woken_exactly()?;
    let request = http::get(&options.path);
    let mut sender = tokio::task::spawn_blocking(move || sender::run(&schedule, &request, &free));
    let patience = Duration::from_millis(options.patience_ms);
    let mut report = Report::new(warm_up, whole, patience);
    let (mut answered, mut sent) = (0, None);
    let last = sleep(whole + LATE + patience + GRACE);
    tokio::pin!(last);
    while sent != Some(answered) {
        // Cancelling any of them loses nothing.
        tokio::select! {
            Some(outcome) = outcomes.recv() => {
                answered += 1;
                report.add(&outcome);
                if let Some(record) = &mut record {
                    record.add(&outcome);
                }
            }
            count = &mut sender, if sent.is_none() => sent = Some(count??),
            () = &mut last => break,
        }
    }
    if let Some(record) = record {
        record.write()?;
    }
    println!("{}", report.finish(due, options.seconds));
    Ok(())
}

async fn connect(address: SocketAddr) -> anyhow::Result<(TcpStream, Arc<Writer>)> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("could not connect to {address}"))?;
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let writer = Arc::new(stream.try_clone()?);
    Ok((TcpStream::from_std(stream)?, writer))
}

impl Reader {
    async fn run(self, mut connection: (TcpStream, Arc<Writer>)) {
        let due = Arc::new(AtomicU64::new(0));
        let mut buffer = Vec::with_capacity(64 * 1024);
        loop {
            let idle = Idle {
                writer: connection.1.clone(),
                due: due.clone(),
            };
            if self.idle.send(idle).is_err() {
                return; // The last request has been sent.
            }
            let answer = read_answer(&mut connection.0, &mut buffer).await;
            let (status, keeps) = match answer {
                Ok(answer) => (status(answer.status), !answer.closes),
                Err(_) => (Status::Failed, false),
            };
            let due = Duration::from_nanos(due.load(Ordering::Acquire));
            let latency = self.began.elapsed().saturating_sub(due);
            let outcome = Outcome {
                due,
                latency,
                status,
            };
            if self.outcomes.send(outcome).is_err() {
                return;
            }
            if !keeps {
                buffer.clear();
                match connect(self.address).await {
                    Ok(fresh) => connection = fresh,
                    Err(_) => return,
                }
            }
        }
    }
}

fn status(status: u16) -> Status {
    match status {
        200..300 => Status::Ok,
        503 => Status::Refused,
        _ => Status::Failed,
    }
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<http::Answer> {
    loop {
        if let Some(answer) = http::answer(buffer)?
            && buffer.len() >= answer.head + answer.body
        {
            buffer.drain(..answer.head + answer.body);
            return Ok(answer);
        }
        if stream.read_buf(buffer).await? == 0 {
            bail!(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
    }
}
