//! How an instance greets: with its settings (RFC 9113, section 3.4), or else it does not speak HTTP/2.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Where in a frame's head its type is (RFC 9113, section 4.1).
const TYPE: usize = 3;

/// The type of settings.
const SETTINGS: u8 = 4;

/// What has come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// So many bytes, fewer than tell.
    Awaited(usize),
    Settings,
    /// Something else.
    NotHttp2,
}

/// What is known of a connection by the bytes that come: its greeting, and when the last came.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) greeting: Cell<Greeting>,
    /// Reads that have brought something.
    pub(super) reads: Cell<u64>,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            greeting: Cell::new(Greeting::Awaited(0)),
            reads: Cell::new(0),
        }
    }
}

impl Heard {
    fn hear(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.reads.set(self.reads.get() + 1);
        let Greeting::Awaited(known) = self.greeting.get() else {
            return;
        };
        self.greeting.set(match bytes.get(TYPE - known) {
            None => Greeting::Awaited(known + bytes.len()),
            Some(&SETTINGS) => Greeting::Settings,
            Some(_) => Greeting::NotHttp2,
        });
    }
}

/// A connection's bytes, listened to on their way to h2.
pub(super) struct Listened<S> {
    stream: S,
    heard: Rc<Heard>,
}

impl<S> Listened<S> {
    pub(super) fn new(stream: S, heard: Rc<Heard>) -> Self {
        Self { stream, heard }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.heard.hear(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_told_by_its_fourth_byte_however_it_comes() {
        let check = |pieces: &[&[u8]], expected| {
            let heard = Heard::default();
            pieces.iter().for_each(|piece| heard.hear(piece));
            assert_eq!(heard.greeting.get(), expected, "{pieces:?}");
        };
        check(&[b"\0\0\x12\x04\0\0\0\0\0"], Greeting::Settings);
        check(&[b"\0", b"\0\x12", b"\x04"], Greeting::Settings);
        check(&[b"HTTP/1.1 400 Bad Request\r\n"], Greeting::NotHttp2);
        check(&[b"\0\0\0"], Greeting::Awaited(3));
        check(&[b"\0\0\0", b"\x07"], Greeting::NotHttp2);
    }
}
