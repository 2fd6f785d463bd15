//! Requests cut out of a connection's bytes: four bytes of length, then so many of request.

use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::limits::{IDLE_TIMEOUT, MAX_FRAME, MAX_PRODUCE_FRAME, READ_CHUNK};
use crate::wire::budget::{Budget, Share};
use crate::wire::header::{FIXED, Prefix};
use crate::wire::pace::Pace;
use crate::wire::pressure::Pressure;

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;

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
    /// What it holds of the budget; none where it is small.
    pub(crate) share: Option<Share>,
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
    /// It came too slowly for what it makes us hold.
    #[error("a request came too slowly: after {0} bytes it was waited for no longer")]
    Slow(usize),
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
        if !self.begin().await? {
            return Ok(None);
        }
        let mut pace = Pace::begin();
        self.fill(LENGTH + FIXED, &mut pace).await?;
        let (length, prefix) = self.measure()?;
        let whole = LENGTH + length;
        let (mut bytes, share) = if whole <= READ_CHUNK.max(self.buffer.len()) {
            self.fill(whole, &mut pace).await?;
            (self.buffer.split_to(whole), None)
        } else {
            let share = self.budget.share(prefix.key == PRODUCE, length);
            let (bytes, share) = self.fill_large(whole, share, pace).await?;
            (bytes, Some(share))
        };
        bytes.advance(LENGTH);
        Ok(Some(Frame {
            prefix,
            bytes: bytes.freeze(),
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

    /// Waits for the first bytes of a request; false when the client closed the connection instead.
    async fn begin(&mut self) -> Result<bool, FrameError> {
        while self.buffer.is_empty() {
            self.buffer.reserve(READ_CHUNK);
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // A connection that idles holds no buffer.
                    self.buffer = BytesMut::new();
                    let readable = timeout(IDLE_TIMEOUT, self.stream.readable()).await;
                    readable.map_err(|_| FrameError::Timeout(IDLE_TIMEOUT))??;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Reads until `wanted` bytes are there, and what else comes with them.
    async fn fill(&mut self, wanted: usize, pace: &mut Pace) -> Result<(), FrameError> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(wanted - self.buffer.len());
            read(self.stream, &mut self.buffer, pace, None).await?;
        }
        Ok(())
    }

    /// Reads the rest of a request into room of its own, which grows as it comes, and nothing beyond
    /// it: what is left in the buffer must not keep a large one.
    async fn fill_large(
        &mut self,
        whole: usize,
        mut share: Share,
        mut pace: Pace,
    ) -> Result<(BytesMut, Share), FrameError> {
        let mut bytes = std::mem::take(&mut self.buffer);
        while bytes.len() < whole {
            let room = share.bytes().min(whole).saturating_sub(bytes.len());
            if room == 0 {
                let from = Instant::now();
                // Who holds nothing may wait. Of those who hold some, too many would hold all of it.
                let patience = share.patience(whole);
                let grown = timeout(patience, share.grow(whole)).await;
                grown.map_err(|_| FrameError::Slow(bytes.len()))?;
                pace.forgive(from);
                continue;
            }
            bytes.reserve(room);
            let mut into = (&mut bytes).limit(room);
            read(self.stream, &mut into, &mut pace, Some(share.pressure())).await?;
        }
        Ok((bytes, share))
    }
}

/// Reads once.
async fn read(
    stream: &TcpStream,
    into: &mut impl BufMut,
    pace: &mut Pace,
    pressure: Option<&Pressure>,
) -> Result<(), FrameError> {
    loop {
        match stream.try_read_buf(into) {
            Ok(0) => return Err(cut()),
            Ok(read) => {
                pace.moved(read);
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        // Cancelling either loses nothing.
        tokio::select! {
            readable = stream.readable() => readable?,
            () = pace.lost(pressure) => return Err(FrameError::Slow(pace.bytes())),
        }
    }
}

fn cut() -> FrameError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}
