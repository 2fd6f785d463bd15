//! Requests cut out of a connection's bytes: four bytes of length, then so many of request.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{
    IDLE_TIMEOUT, LARGE_FRAME, MAX_FRAME, MAX_PRODUCE_FRAME, MIN_PACE, READ_CHUNK, STALL_TIMEOUT,
};
use crate::wire::budget::{Budget, Share};
use crate::wire::header::{FIXED, Prefix};

const LENGTH: usize = 4;

/// The key of Produce requests, which alone may be large.
const PRODUCE: i16 = 0;

/// One request as it came, without its length.
#[derive(Debug)]
pub(crate) struct Frame {
    /// What it begins with.
    pub(crate) prefix: Prefix,
    /// All of it, prefix included.
    pub(crate) bytes: Bytes,
    /// What it holds of the budget.
    pub(crate) share: Share,
}

/// Why no more requests are read from a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The connection broke, or ended within a request.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A length that no request has.
    #[error(
        "a request of {0} bytes: the most is {MAX_PRODUCE_FRAME} for Produce and {MAX_FRAME} for others"
    )]
    Length(i64),
    /// It held its share of the memory for too long.
    #[error("a request did not come whole within {} s", .0.as_secs())]
    Slow(Duration),
    /// Nothing came for too long.
    #[error("nothing came for {} s", .0.as_secs())]
    Timeout(Duration),
}

/// Reads requests one after the other.
pub(crate) struct FrameReader<'a> {
    stream: &'a TcpStream,
    budget: Budget,
    buffer: BytesMut,
}

impl<'a> FrameReader<'a> {
    pub(crate) fn new(stream: &'a TcpStream, budget: Budget) -> Self {
        Self {
            stream,
            budget,
            buffer: BytesMut::new(),
        }
    }

    /// The next request; none when the client closed the connection between two.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if !self.fill(LENGTH + FIXED, READ_CHUNK).await? {
            return Ok(None);
        }
        let (length, prefix) = self.measure()?;
        let share = self.budget.take(length).await;
        // A large request gets room as it comes: its length alone is only a claim.
        let patience = STALL_TIMEOUT + Duration::from_secs((length / MIN_PACE) as u64);
        let filled = timeout(patience, self.fill(LENGTH + length, LARGE_FRAME)).await;
        filled.map_err(|_| FrameError::Slow(patience))??;
        let mut bytes = self.buffer.split_to(LENGTH + length).freeze();
        bytes.advance(LENGTH);
        Ok(Some(Frame {
            prefix,
            bytes,
            share,
        }))
    }

    fn measure(&self) -> Result<(usize, Prefix), FrameError> {
        let (length, rest) = self.buffer.split_first_chunk::<LENGTH>().ok_or_else(cut)?;
        let claimed = i32::from_be_bytes(*length);
        let prefix = Prefix::read(rest).ok_or_else(cut)?;
        let most = if prefix.key == PRODUCE {
            MAX_PRODUCE_FRAME
        } else {
            MAX_FRAME
        };
        match usize::try_from(claimed) {
            Ok(length) if (FIXED..=most).contains(&length) => Ok((length, prefix)),
            _ => Err(FrameError::Length(claimed.into())),
        }
    }

    /// Reads until `wanted` bytes are there, making room for `step` more at most at a time. False
    /// when the client closed the connection and nothing is there.
    async fn fill(&mut self, wanted: usize, step: usize) -> Result<bool, FrameError> {
        while self.buffer.len() < wanted {
            let missing = wanted - self.buffer.len();
            self.buffer
                .reserve(missing.clamp(READ_CHUNK.min(step), step));
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) if self.buffer.is_empty() => return Ok(false),
                Ok(0) => return Err(cut()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    async fn wait(&mut self) -> Result<(), FrameError> {
        let limit = if self.buffer.is_empty() {
            // A connection that idles holds no buffer.
            self.buffer = BytesMut::new();
            IDLE_TIMEOUT
        } else {
            STALL_TIMEOUT
        };
        let readable = timeout(limit, self.stream.readable()).await;
        Ok(readable.map_err(|_| FrameError::Timeout(limit))??)
    }
}

fn cut() -> FrameError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}
