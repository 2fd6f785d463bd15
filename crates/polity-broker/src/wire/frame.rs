//! Requests cut out of a connection's bytes: four bytes of length, then so many of request.

use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, Sleep, sleep, timeout};

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
    /// There was no room for it for too long.
    #[error("there was no memory for a request for {} s", .0.as_secs())]
    Crowded(Duration),
    /// Nothing came for too long.
    #[error("nothing came for {} s", .0.as_secs())]
    Timeout(Duration),
}

/// Where requests come from: a socket, and in tests memory.
pub(crate) trait Source: AsyncRead + Unpin {
    /// Waits until there may be something to read. Cancelling it loses nothing.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is.
    fn try_read_buf(&mut self, into: &mut impl BufMut) -> io::Result<usize>;
}

impl Source for ReadHalf<'_> {
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send {
        ReadHalf::readable(self)
    }

    fn try_read_buf(&mut self, into: &mut impl BufMut) -> io::Result<usize> {
        ReadHalf::try_read_buf(self, into)
    }
}

/// Reads requests one after the other.
pub(crate) struct FrameReader<S> {
    stream: S,
    budget: Budget,
    buffer: BytesMut,
    /// When a connection on which nothing comes is closed.
    idle: Pin<Box<Sleep>>,
}

impl<S: Source> FrameReader<S> {
    pub(crate) fn new(stream: S, budget: Budget) -> Self {
        Self {
            stream,
            budget,
            buffer: BytesMut::new(),
            idle: Box::pin(sleep(IDLE_TIMEOUT)),
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
        if !self.buffer.is_empty() {
            return Ok(true);
        }
        let read = async {
            loop {
                // A connection that idles holds no buffer.
                self.buffer = BytesMut::new();
                self.stream.readable().await?;
                self.buffer.reserve(READ_CHUNK);
                // What is said to be there may have been read before; a read that has less than it has
                // room for is the last, and saves asking whether there is more.
                tokio::select! {
                    biased;
                    read = self.stream.read_buf(&mut self.buffer) => return read,
                    () = ready(()) => {}
                }
            }
        };
        // To put off one timer costs less than to begin another for each request.
        self.idle.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
        // Cancelling either loses nothing.
        tokio::select! {
            biased;
            read = read => Ok(read? > 0),
            () = &mut self.idle => Err(FrameError::Timeout(IDLE_TIMEOUT)),
        }
    }

    /// Reads until `wanted` bytes are there, and what else comes with them.
    async fn fill(&mut self, wanted: usize, pace: &mut Pace) -> Result<(), FrameError> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(wanted - self.buffer.len());
            read(&mut self.stream, &mut self.buffer, pace, None).await?;
        }
        Ok(())
    }

    /// Reads the rest of a request into room of its own, and nothing beyond it: what is left in the buffer
    /// must not keep a large one.
    async fn fill_large(
        &mut self,
        whole: usize,
        mut share: Share,
        mut pace: Pace,
    ) -> Result<(BytesMut, Share), FrameError> {
        let mut bytes = std::mem::take(&mut self.buffer);
        let stream = &mut self.stream;
        fill_to(stream, &mut bytes, READ_CHUNK.min(whole), &mut pace, None).await?;
        let from = Instant::now();
        let taken = timeout(IDLE_TIMEOUT, share.take(whole)).await;
        taken.map_err(|_| FrameError::Crowded(IDLE_TIMEOUT))?;
        pace.forgive(from);
        fill_to(stream, &mut bytes, whole, &mut pace, Some(share.pressure())).await?;
        Ok((bytes, share))
    }
}

/// Reads until `wanted` bytes are there, and no more.
async fn fill_to(
    stream: &mut impl Source,
    bytes: &mut BytesMut,
    wanted: usize,
    pace: &mut Pace,
    pressure: Option<&Pressure>,
) -> Result<(), FrameError> {
    while bytes.len() < wanted {
        let room = wanted - bytes.len();
        bytes.reserve(room);
        read(stream, &mut bytes.limit(room), pace, pressure).await?;
    }
    Ok(())
}

/// Reads once.
async fn read(
    stream: &mut impl Source,
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
