//! A client that takes a long answer at a fixed pace.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use crate::http;

/// Read at once.
const PIECE: usize = 256 * 1024;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    path: String,
    /// How long nothing is read at first, so that all buffers on the way fill.
    #[arg(long, default_value_t = 1000)]
    pause_ms: u64,
    /// MiB a second from then on.
    #[arg(long)]
    pace: u32,
    /// MiB after which it stops; without it, the whole answer.
    #[arg(long)]
    most: Option<usize>,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(options.address)
        .await
        .with_context(|| format!("could not connect to {}", options.address))?;
    stream.write_all(&http::get(&options.path)).await?;
    sleep(Duration::from_millis(options.pause_ms)).await;
    let mut buffer = vec![0; PIECE];
    let mut filled = 0;
    let answer = loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        ensure!(count > 0, "an answer that breaks off in its head");
        filled += count;
        if let Some(answer) = http::answer(&buffer[..filled])? {
            break answer;
        }
    };
    ensure!(answer.status == 200, "answered {}", answer.status);
    let most = options
        .most
        .map_or(answer.body, |most| most << 20)
        .min(answer.body);
    let began = Instant::now();
    let mut read = filled - answer.head;
    while read < most {
        let due = read as f64 / (f64::from(options.pace) * f64::from(1 << 20));
        sleep_until(began + Duration::from_secs_f64(due)).await;
        let room = buffer.len().min(most - read);
        let count = stream.read(&mut buffer[..room]).await?;
        ensure!(count > 0, "an answer that breaks off after {read} bytes");
        read += count;
    }
    println!("{read}");
    Ok(())
}
