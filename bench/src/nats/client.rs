//! One connection to a server: messages out, answers in by an inbox.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// Nothing is said of what is taken but by the stream that takes it.
const OPTIONS: &str = r#"CONNECT {"verbose":false,"pedantic":false,"echo":false}"#;
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of an answer.
const MOST: usize = 1 << 20;

pub(super) struct Client {
    reader: BufReader<TcpStream>,
    inbox: String,
    line: String,
    body: Vec<u8>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)
            .with_context(|| format!("could not connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let inbox = format!("_INBOX.{}", stream.local_addr()?.port());
        stream.write_all(format!("{OPTIONS}\r\nSUB {inbox} 1\r\n").as_bytes())?;
        Ok(Self {
            reader: BufReader::new(stream),
            inbox,
            line: String::new(),
            body: Vec::new(),
        })
    }

    /// A message that asks for an answer.
    pub(super) fn message(&self, subject: &str, payload: &[u8]) -> Vec<u8> {
        let head = format!("PUB {subject} {} {}\r\n", self.inbox, payload.len());
        [head.as_bytes(), payload, b"\r\n"].concat()
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    pub(super) fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Whether an answer can be read without waiting for its beginning.
    pub(super) fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// The next answer; fails where it says that something went wrong.
    pub(super) fn receive(&mut self) -> anyhow::Result<()> {
        loop {
            self.line.clear();
            let came = self.reader.read_line(&mut self.line)?;
            ensure!(came > 0, "the server closed the connection");
            let mut words = self.line.split_whitespace();
            match words.next() {
                Some("MSG") => break,
                Some("PING") => self.send(b"PONG\r\n")?,
                Some("-ERR") => bail!("the server says {}", self.line.trim()),
                _ => {} // INFO, PONG and +OK.
            }
        }
        let length = self.line.split_whitespace().next_back();
        let length: usize = length.context("no length")?.parse()?;
        ensure!(length <= MOST, "an answer of {length} bytes");
        self.body.resize(length + 2, 0);
        self.reader.read_exact(&mut self.body)?;
        let body = String::from_utf8_lossy(&self.body);
        ensure!(
            !body.contains("\"error\""),
            "the server says {}",
            body.trim()
        );
        Ok(())
    }

    pub(super) fn ask(&mut self, subject: &str, payload: &[u8]) -> anyhow::Result<()> {
        let message = self.message(subject, payload);
        self.send(&message)?;
        self.receive()
    }
}
