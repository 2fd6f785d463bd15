//! Answers onto the socket: bytes by `send`, records by `sendfile` straight from their segment files.

use std::io;

use polity_log::Slice;
use polity_log::disk::{File, RealFile};
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::STALL_TIMEOUT;
use crate::wire::answer::{Part, Reply};

/// What goes from a file in one call, so that a disk that is slow to read holds up the thread for
/// that long at most.
const FILE_CHUNK: usize = 256 * 1024;

/// What is copied at once where there is no `sendfile`.
const COPY_CHUNK: usize = 64 * 1024;

/// Sends all of `reply`.
///
/// # Errors
/// When the connection breaks, the client takes nothing for too long, or a file is shorter than
/// it was; part of the answer may have been sent then, so that the connection is good for nothing.
pub(crate) async fn send(stream: &TcpStream, reply: Reply) -> io::Result<()> {
    let last = reply.0.len().saturating_sub(1);
    for (index, part) in reply.0.into_iter().enumerate() {
        match part {
            Part::Bytes(bytes) => send_bytes(stream, &bytes, index < last).await?,
            Part::File(piece) => send_file(stream, piece).await?,
        }
    }
    Ok(())
}

/// With more to come, the system waits for it and makes full packets.
async fn send_bytes(stream: &TcpStream, mut bytes: &[u8], more: bool) -> io::Result<()> {
    let flags = if more {
        more_to_come()
    } else {
        SendFlags::NOSIGNAL
    };
    while !bytes.is_empty() {
        let sent = writable(stream, || rustix::net::send(stream, bytes, flags)).await?;
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn more_to_come() -> SendFlags {
    SendFlags::NOSIGNAL | SendFlags::MORE
}

#[cfg(not(target_os = "linux"))]
fn more_to_come() -> SendFlags {
    SendFlags::NOSIGNAL
}

#[cfg(target_os = "linux")]
async fn send_file(stream: &TcpStream, piece: Slice<RealFile>) -> io::Result<()> {
    let Slice {
        file,
        mut position,
        mut length,
    } = piece;
    while length > 0 {
        let chunk = length.min(FILE_CHUNK);
        let sent = writable(stream, || {
            rustix::fs::sendfile(stream, &*file, Some(&mut position), chunk)
        });
        match sent.await {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(sent) => length -= sent,
            // Some file systems cannot; nothing of this chunk has gone.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return copy_file(
                    stream,
                    Slice {
                        file,
                        position,
                        length,
                    },
                )
                .await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn send_file(stream: &TcpStream, piece: Slice<RealFile>) -> io::Result<()> {
    copy_file(stream, piece).await
}

async fn copy_file(stream: &TcpStream, piece: Slice<RealFile>) -> io::Result<()> {
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
        send_bytes(stream, chunk, room < left).await?;
        position += room as u64;
    }
    Ok(())
}

/// Calls `operation` as often as the socket has room until it has done something.
async fn writable(
    stream: &TcpStream,
    mut operation: impl FnMut() -> rustix::io::Result<usize>,
) -> io::Result<usize> {
    let done = stream.async_io(Interest::WRITABLE, || Ok(operation()?));
    timeout(STALL_TIMEOUT, done)
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
}
