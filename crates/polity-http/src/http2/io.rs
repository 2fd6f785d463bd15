//! The bytes of a client's connection, as h2 reads and writes them.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::buffer::Input;
use crate::stream::Stream;

/// What came before it was known what is spoken, and what comes after.
pub(super) struct Io<'c, S> {
    input: &'c mut Input,
    stream: &'c mut S,
    stands_still: Rc<Cell<Option<Instant>>>,
}

impl<'c, S> Io<'c, S> {
    /// Notes in `stands_still` since when the client takes nothing.
    pub(super) fn new(
        input: &'c mut Input,
        stream: &'c mut S,
        stands_still: Rc<Cell<Option<Instant>>>,
    ) -> Self {
        Self {
            input,
            stream,
            stands_still,
        }
    }

    /// Notes whether a write got on.
    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.stands_still.set(match written {
            Poll::Ready(_) => None,
            Poll::Pending => self.stands_still.get().or_else(|| Some(Instant::now())),
        });
        written
    }
}

impl<S: Stream> AsyncRead for Io<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.input.is_empty() {
            this.input.rest();
            return Pin::new(&mut *this.stream).poll_read(context, buffer);
        }
        let count = this.input.len().min(buffer.remaining());
        buffer.put_slice(&this.input.data()[..count]);
        this.input.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Io<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.stream).poll_write_vectored(context, bytes);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}
