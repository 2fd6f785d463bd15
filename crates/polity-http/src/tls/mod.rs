//! TLS on clients' connections, by rustls: what is read is decrypted on the way in, what is written
//! encrypted on the way out.
//!
//! The handshake is a part of the first read, so that all that holds for a connection that waits for its
//! first request (its time, its place among those that may be closed for others) holds for one that shakes
//! hands. A client that speaks plain HTTP to the port is served as one, and says so
//! ([`Stream::scheme`]): what it is told is the policy's affair.

mod records;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::policy::Scheme;
use crate::stream::{Stream, Watch};
use records::Records;

/// The first byte of a handshake (RFC 8446, section 5.1); no method begins with it.
const HANDSHAKE: u8 = 0x16;

/// A client's connection that may be one of TLS.
pub(crate) struct TlsStream {
    socket: TcpStream,
    mode: Mode,
    /// Closed by a reset, without a word.
    is_reset: std::cell::Cell<bool>,
}

enum Mode {
    /// Nothing has come yet.
    Unknown(Arc<ServerConfig>),
    Plain,
    /// Large, and one of few kinds.
    Tls(Box<Records>),
}

impl TlsStream {
    pub(crate) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> Self {
        Self {
            socket,
            mode: Mode::Unknown(config),
            is_reset: std::cell::Cell::new(false),
        }
    }

    /// Looks at the first byte, where that has not been done.
    fn poll_mode(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Mode::Unknown(config) = &self.mode else {
            return Poll::Ready(Ok(()));
        };
        let mut first = [0; 1];
        let mut peeked = ReadBuf::new(&mut first);
        let count = ready!(self.socket.poll_peek(context, &mut peeked))?;
        self.mode = match (count, first) {
            (1, [HANDSHAKE]) => Mode::Tls(Box::new(Records::new(config.clone())?)),
            // Nothing, and nothing to come, is nothing to be encrypted either.
            _ => Mode::Plain,
        };
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_mode(context))?;
        match &mut this.mode {
            Mode::Tls(records) => records.poll_read(&this.socket, context, buffer),
            _ => Pin::new(&mut this.socket).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    /// What was encrypted cannot be taken back: where not all of it is sent at once, the next call has to
    /// be with the same bytes, to which others may have been added.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match &mut this.mode {
            Mode::Tls(records) => records.poll_write(&this.socket, context, bytes),
            _ => Pin::new(&mut this.socket).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.mode {
            Mode::Tls(records) => records.poll_send(&this.socket, context),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Mode::Tls(records) = &mut this.mode {
            records.say_closed();
            ready!(records.poll_send(&this.socket, context))?;
        }
        Pin::new(&mut this.socket).poll_shutdown(context)
    }
}

impl Stream for TlsStream {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_mode(context))?;
        match &mut self.mode {
            Mode::Tls(records) => records.poll_readable(&self.socket, context),
            _ => self.socket.poll_readable(context),
        }
    }

    fn is_stale(&self) -> bool {
        self.socket.is_stale()
    }

    fn looks_stale(&self) -> bool {
        // A read would take what is the records'.
        self.socket.is_stale()
    }

    fn watch(&self) -> Watch {
        self.socket.watch()
    }

    fn reset_on_close(&self) {
        self.is_reset.set(true);
        self.socket.reset_on_close();
    }

    fn is_http2(&self) -> bool {
        match &self.mode {
            Mode::Tls(records) => records.has_agreed_on(b"h2"),
            _ => false,
        }
    }

    fn identity(
        &self,
        identify: &dyn Fn(&CertificateDer<'_>) -> Option<Arc<str>>,
    ) -> Option<Arc<str>> {
        match &self.mode {
            Mode::Tls(records) => records.identity(identify),
            _ => None,
        }
    }

    fn scheme(&self) -> Scheme {
        match self.mode {
            Mode::Tls(_) => Scheme::Https,
            _ => Scheme::Http,
        }
    }
}

impl Drop for TlsStream {
    /// Who closes says so, or what came before might have been cut off by somebody else (RFC 8446, section
    /// 6.1). Where that would have to be waited for, it is not said.
    fn drop(&mut self) {
        if let (Mode::Tls(records), false) = (&mut self.mode, self.is_reset.get()) {
            records.say_closed();
            records.try_send(&self.socket);
        }
    }
}
