//! What carries one request to an instance: a connection of its own, or a stream of a shared one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::http2::Http2Stream;
use super::translated::Translated;
use crate::policy::Fault;
use crate::stream::{Stream, Watch};
use crate::translate::Translate;

/// Bytes of HTTP/1.1 go in and come out, whatever is spoken to the instance.
pub(crate) enum Link<S> {
    Own(S),
    /// Of HTTP/2. Boxed, as what is rare must not make every connection larger.
    Shared(Box<Http2Stream>),
    /// The same, and what is said over it is translated.
    Translated(Box<Translated<Http2Stream>>),
}

impl<S> Link<S> {
    /// What has gone wrong, where more is known than that it has.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Own(_) => None,
            Self::Shared(stream) => stream.fault(),
            Self::Translated(stream) => stream.stream().fault(),
        }
    }

    /// Has a translator stand before what is shared.
    pub(crate) fn translated_by(self, translator: Box<dyn Translate>) -> Self {
        match self {
            Self::Shared(stream) => {
                Self::Translated(Box::new(Translated::new(*stream, translator)))
            }
            other => other,
        }
    }
}

/// Calls the same of whichever it is.
macro_rules! either {
    ($link:expr, $stream:ident => $call:expr) => {
        match $link {
            Link::Own($stream) => $call,
            Link::Shared($stream) => $call,
            Link::Translated($stream) => $call,
        }
    };
}

impl<S: Stream> AsyncRead for Link<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(&mut *self, it => Pin::new(it).poll_read(context, buffer))
    }
}

impl<S: Stream> AsyncWrite for Link<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(&mut *self, it => Pin::new(it).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(&mut *self, it => Pin::new(it).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        either!(self, it => it.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut *self, it => Pin::new(it).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut *self, it => Pin::new(it).poll_shutdown(context))
    }
}

impl<S: Stream> Stream for Link<S> {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, it => it.poll_readable(context))
    }

    fn try_write(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        either!(self, it => it.try_write(first, second))
    }

    fn is_stale(&self) -> bool {
        either!(self, it => it.is_stale())
    }

    fn looks_stale(&self) -> bool {
        either!(self, it => it.looks_stale())
    }

    fn watch(&self) -> Watch {
        either!(self, it => it.watch())
    }

    fn reset_on_close(&self) {
        either!(self, it => it.reset_on_close());
    }
}
