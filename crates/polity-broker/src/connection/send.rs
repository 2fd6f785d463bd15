//! Answers onto the socket: bytes by `send`, records by `sendfile` straight from their segment files.

use std::io;

use polity_log::Slice;
use polity_log::disk::{File, RealFile};
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::wire::answer::{Part, Reply};
use crate::wire::pace::Pace;
use crate::wire::pressure::Pressure;

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;

/// What goes from a file in one call, so that a disk that is slow to read holds up the thread for
/// that long at most.
const FILE_CHUNK: usize = 512 * 1024;

/// What is copied at once where there is no `sendfile`.
const COPY_CHUNK: usize = 64 * 1024;

/// Sends all of `reply`.
///
/// # Errors
/// When the connection breaks, the client takes it too slowly, or a file is shorter than it was; part
/// of the answer may have been sent then, so that the connection is good for nothing.
pub(crate) async fn send(
    stream: &TcpStream,
    reply: Reply,
    pressure: Option<&Pressure>,
) -> io::Result<()> {
    let mut way = Way {
        stream,
        pressure,
        pace: Pace::begin(),
    };
    let last = reply.0.len().saturating_sub(1);
    for (index, part) in reply.0.into_iter().enumerate() {
        match part {
            Part::Bytes(bytes) => way.send_bytes(&bytes, index < last).await?,
            Part::File(piece) => way.send_file(piece).await?,
        }
    }
    Ok(())
}

/// One answer on its way.
struct Way<'a> {
    stream: &'a TcpStream,
    /// Of those who wait for what it holds.
    pressure: Option<&'a Pressure>,
    pace: Pace,
}

#[cfg(target_os = "linux")]
fn more_to_come() -> SendFlags {
    SendFlags::NOSIGNAL | SendFlags::MORE
}

#[cfg(not(target_os = "linux"))]
fn more_to_come() -> SendFlags {
    SendFlags::NOSIGNAL
}

impl Way<'_> {
    /// With more to come, the system waits for it and makes full packets.
    async fn send_bytes(&mut self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        let flags = if more {
            more_to_come()
        } else {
            SendFlags::NOSIGNAL
        };
        let stream = self.stream;
        while !bytes.is_empty() {
            let sent = self.moved(|| rustix::net::send(stream, bytes, flags));
            let sent = sent.await?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    async fn send_file(&mut self, mut piece: Slice<RealFile>) -> io::Result<()> {
        let stream = self.stream;
        while piece.length > 0 {
            let chunk = piece.length.min(FILE_CHUNK);
            let (file, position) = (&*piece.file, &mut piece.position);
            let sent = self.moved(|| rustix::fs::sendfile(stream, file, Some(position), chunk));
            match sent.await {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(sent) => piece.length -= sent,
                // Some file systems cannot; nothing of this chunk has gone.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return self.copy_file(piece).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    async fn send_file(&mut self, piece: Slice<RealFile>) -> io::Result<()> {
        self.copy_file(piece).await
    }

    async fn copy_file(&mut self, piece: Slice<RealFile>) -> io::Result<()> {
        let mut buffer = vec![0; COPY_CHUNK.min(piece.length)];
        let mut position = piece.position;
        let end = position + piece.length as u64;
        while position < end {
            let left = usize::try_from(end - position).unwrap_or(usize::MAX);
            let room = buffer.len().min(left);
            let chunk = buffer.get_mut(..room).unwrap_or_default();
            if piece.file.read_at(chunk, position)? < room {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.send_bytes(chunk, room < left).await?;
            position += room as u64;
        }
        Ok(())
    }

    /// Calls `operation` as often as the socket has room until it has moved something, and holds the
    /// client to its pace.
    async fn moved(
        &mut self,
        mut operation: impl FnMut() -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match self.stream.try_io(Interest::WRITABLE, || Ok(operation()?)) {
                Ok(moved) => {
                    self.pace.moved(moved);
                    return Ok(moved);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            // Cancelling either loses nothing.
            tokio::select! {
                writable = self.stream.writable() => writable?,
                () = self.pace.lost(self.pressure) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}
