//! A fixed number of requests in a fixed order, for what is counted rather than timed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, ensure};

use crate::http;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where it sends them.
    #[arg(long)]
    address: SocketAddr,
    /// How many, over all connections.
    #[arg(long)]
    requests: usize,
    /// Kept open and used in turn: all are sent one request, then all are read from.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// What each has to be answered with.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// A file with one whole request as it goes over the wire.
    #[arg(long)]
    request: std::path::PathBuf,
}

/// One connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let request = std::fs::read(&options.request)
        .with_context(|| format!("could not read {}", options.request.display()))?;
    let connect = |_| Connection::open(options.address);
    let mut connections = (0..options.connections)
        .map(connect)
        .collect::<anyhow::Result<Vec<_>>>()?;
    for _ in 0..options.requests / options.connections {
        for connection in &mut connections {
            connection.stream.write_all(&request)?;
        }
        for connection in &mut connections {
            connection.read_answer(options.status)?;
        }
    }
    println!(
        "{}",
        options.requests / options.connections * options.connections
    );
    Ok(())
}

impl Connection {
    fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("could not connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    fn read_answer(&mut self, status: u16) -> anyhow::Result<()> {
        let mut piece = [0; 64 * 1024];
        loop {
            if let Some(answer) = http::answer(&self.buffer)?
                && self.buffer.len() >= answer.head + answer.body
            {
                ensure!(answer.status == status, "answered {}", answer.status);
                ensure!(!answer.closes, "the connection is not kept");
                self.buffer.drain(..answer.head + answer.body);
                return Ok(());
            }
            let count = self.stream.read(&mut piece)?;
            ensure!(count > 0, "an answer that breaks off");
            self.buffer.extend_from_slice(&piece[..count]);
        }
    }
}
