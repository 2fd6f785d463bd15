//! An origin that costs as little as one can, so that what is measured is what stands before it.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::http;

/// Read at once.
const BUFFER: usize = 64 * 1024;
/// Written at once of the long answer.
const PIECE: usize = 256 * 1024;
/// Body of the long answer.
const BIG: usize = 1 << 30;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where it listens: any port of 127.0.0.1, and the same port of the addresses that follow it.
    #[arg(long, default_value_t = 1)]
    addresses: u32,
    /// How many requests are served at once, the others wait; without it, as many as there are.
    #[arg(long, requires = "service_time_ms")]
    workers: Option<usize>,
    /// How long one of these requests takes.
    #[arg(long, default_value_t = 0)]
    service_time_ms: u64,
}

/// What all connections share.
struct Origin {
    small: Vec<u8>,
    medium: Vec<u8>,
    received: Vec<u8>,
    missing: Vec<u8>,
    piece: Vec<u8>,
    capacity: Option<Capacity>,
}

struct Capacity {
    workers: Semaphore,
    service_time: Duration,
}

/// How the body of a request is framed.
enum Framing {
    Length(usize),
    Chunked,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = first.local_addr()?.port();
    let origin = Rc::new(Origin::new(options));
    let serve = async {
        for offset in 1..options.addresses {
            let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + offset);
            let listener = TcpListener::bind((address, port))
                .await
                .with_context(|| format!("could not listen on {address}:{port}"))?;
            tokio::task::spawn_local(accept(listener, origin.clone()));
        }
        println!("{}", first.local_addr()?);
        accept(first, origin).await
    };
    LocalSet::new().run_until(serve).await
}

async fn accept(listener: TcpListener, origin: Rc<Origin>) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let origin = origin.clone();
        // A proxy that goes away in the middle is not the origin's to report.
        tokio::task::spawn_local(async move { _ = origin.serve(stream).await });
    }
}

impl Origin {
    fn new(options: &Options) -> Self {
        let service_time = Duration::from_millis(options.service_time_ms);
        Self {
            small: answer("200 OK", 1024, 1024),
            medium: answer("200 OK", 64 * 1024, 64 * 1024),
            received: answer("200 OK", 2, 2),
            missing: answer("404 Not Found", 0, 0),
            piece: vec![b'x'; PIECE],
            capacity: options.workers.map(|workers| Capacity {
                workers: Semaphore::new(workers),
                service_time,
            }),
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; BUFFER];
        let mut filled = 0;
        while let Some(head) = http::read_head(&mut stream, &mut buffer, &mut filled).await? {
            let path = path(&buffer[..head]);
            let answer = self.answer(path);
            let rest = match framing(&buffer[..head]) {
                None => head,
                Some(framing) => {
                    take_body(&mut stream, &mut buffer, head, &mut filled, &framing).await?
                }
            };
            buffer.copy_within(rest..filled, 0);
            filled -= rest;
            if let Some(capacity) = &self.capacity {
                capacity.work().await;
            }
            match answer {
                Some(answer) => stream.write_all(answer).await?,
                None => self.stream(&mut stream).await?,
            }
        }
        Ok(())
    }

    /// The answer, by the path's last segment; none for the one that is streamed.
    fn answer(&self, path: &[u8]) -> Option<&[u8]> {
        match path.rsplit(|byte| *byte == b'/').next() {
            Some(b"1k") => Some(&self.small),
            Some(b"64k") => Some(&self.medium),
            Some(b"sink") => Some(&self.received),
            Some(b"big") => None,
            _ => Some(&self.missing),
        }
    }

    async fn stream(&self, stream: &mut TcpStream) -> anyhow::Result<()> {
        stream.write_all(&answer("200 OK", BIG, 0)).await?;
        for _ in 0..BIG / PIECE {
            stream.write_all(&self.piece).await?;
        }
        Ok(())
    }
}

impl Capacity {
    async fn work(&self) {
        let _working = self.workers.acquire().await.expect("it is never closed");
        sleep(self.service_time).await;
    }
}

/// A head that says `length`, and `sent` bytes of body. The date stands still: nobody looks at it,
/// and an origin without one would have its proxies write it.
fn answer(status: &str, length: usize, sent: usize) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nDate: Sat, 01 Nov 2025 12:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    answer.resize(answer.len() + sent, b'x');
    answer
}

fn path(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

/// None for a request without a body; only what is not a GET is searched for it.
fn framing(head: &[u8]) -> Option<Framing> {
    if head.starts_with(b"GET ") {
        return None;
    }
    let head = std::str::from_utf8(head).ok()?;
    if http::field(head, "transfer-encoding").is_some() {
        return Some(Framing::Chunked);
    }
    let length = http::field(head, "content-length")?.parse().ok()?;
    Some(Framing::Length(length))
}

/// Reads the body whose first bytes stand in `buffer` behind the head; gives where what follows it
/// begins there.
async fn take_body(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    head: usize,
    filled: &mut usize,
    framing: &Framing,
) -> anyhow::Result<usize> {
    match framing {
        Framing::Length(length) => {
            let mut missing = length.saturating_sub(*filled - head);
            if missing == 0 {
                return Ok(head + length);
            }
            while missing > 0 {
                let room = missing.min(buffer.len());
                let count = stream.read(&mut buffer[..room]).await?;
                ensure!(count > 0, "a body that breaks off");
                missing -= count;
            }
            *filled = 0;
            Ok(0)
        }
        Framing::Chunked => {
            let mut at = head;
            loop {
                match chunk_end(&buffer[at..*filled])? {
                    Some(Chunk { end, last: true }) => return Ok(at + end),
                    Some(Chunk { end, last: false }) => at += end,
                    None => {
                        buffer.copy_within(at..*filled, 0);
                        *filled -= at;
                        at = 0;
                        ensure!(*filled < buffer.len(), "a chunk of more than the buffer");
                        let count = stream.read(&mut buffer[*filled..]).await?;
                        ensure!(count > 0, "a body that breaks off");
                        *filled += count;
                    }
                }
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Chunk {
    end: usize,
    last: bool,
}

/// The end of the chunk that `bytes` begins with; none if it is not whole. There are no trailers in
/// what is measured.
fn chunk_end(bytes: &[u8]) -> anyhow::Result<Option<Chunk>> {
    let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return Ok(None);
    };
    let digits = std::str::from_utf8(&bytes[..line])?;
    let size = usize::from_str_radix(digits, 16).context("a chunk without a size")?;
    let end = line + 2 + size + 2;
    Ok((bytes.len() >= end).then_some(Chunk {
        end,
        last: size == 0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_ends_where_its_size_says() {
        let chunk = |bytes: &[u8]| chunk_end(bytes).expect("valid");
        assert_eq!(chunk(b"3\r\nabc\r"), None);
        let whole = Chunk {
            end: 8,
            last: false,
        };
        assert_eq!(chunk(b"3\r\nabc\r\n0\r\n"), Some(whole));
        assert_eq!(chunk(b"0\r\n\r\n"), Some(Chunk { end: 5, last: true }));
        chunk_end(b"x\r\n").expect_err("no size");
    }

    #[test]
    fn only_what_may_have_a_body_is_asked_for_it() {
        assert!(framing(b"GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n").is_none());
        let length = framing(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n");
        assert!(matches!(length, Some(Framing::Length(3))));
        let chunked = framing(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(matches!(chunked, Some(Framing::Chunked)));
    }
}
