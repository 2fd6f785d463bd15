//! Many connections that have made one request each and then make no more.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::http;

/// From one source address, which has 28,000 ports for one destination, and is one client for
/// whoever bounds the connections of each.
const FROM_ONE_ADDRESS: usize = 100;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    path: String,
    #[arg(long)]
    connections: usize,
}

/// Prints how many there are once all have been answered, holds them until standard input ends, and
/// prints how many were still open then.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let request = http::get(&options.path);
    let mut streams = Vec::with_capacity(options.connections);
    for number in 0..options.connections {
        let stream = open(options.address, number / FROM_ONE_ADDRESS, &request)
            .await
            .with_context(|| format!("connection {number} of {}", options.connections))?;
        streams.push(stream);
    }
    println!("{}", streams.len());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    println!(
        "{}",
        streams.iter().filter(|stream| is_open(stream)).count()
    );
    Ok(())
}

async fn open(address: SocketAddr, source: usize, request: &[u8]) -> anyhow::Result<TcpStream> {
    let [high, low] = u16::try_from(source)?.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    // 127.0.0.1 is left to everybody else.
    socket.bind((Ipv4Addr::new(127, 1, high, low), 0).into())?;
    let mut stream = socket.connect(address).await?;
    stream.write_all(request).await?;
    let mut buffer = Vec::with_capacity(2048);
    loop {
        let count = stream.read_buf(&mut buffer).await?;
        ensure!(count > 0, "closed before the answer was whole");
        let Some(answer) = http::answer(&buffer)? else {
            continue;
        };
        if buffer.len() >= answer.head + answer.body {
            ensure!(answer.status == 200, "answered {}", answer.status);
            ensure!(!answer.closes, "the connection is not kept");
            return Ok(stream);
        }
    }
}

fn is_open(stream: &TcpStream) -> bool {
    let nothing_yet = stream.try_read(&mut [0]);
    nothing_yet.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
