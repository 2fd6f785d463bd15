//! What the data plane asks of a byte stream: TCP, and TLS over it; in-memory pipes and io_uring fit behind it.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::limits::PROBE_INTERVAL;
use crate::policy::Scheme;

/// A byte stream in both directions. Dropping one closes it, in order as far as the system has it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Waits until a read would not block, without a buffer to read into: an idle connection
    /// holds none.
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes what the system takes at once; [`io::ErrorKind::WouldBlock`] where that has to be found
    /// out, or waited for, by polling.
    fn try_write(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let _ = (first, second);
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Whether it takes files as they are: [`Stream::poll_send_file`].
    fn takes_files(&self) -> bool {
        false
    }

    /// Sends up to `count` bytes of `file` from `offset` on, without bringing them here: none where the file
    /// ends before.
    fn poll_send_file(
        &mut self,
        _context: &mut Context<'_>,
        _file: &File,
        _offset: u64,
        _count: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Whether the other side has closed, reset or sent something unasked. Asks the system, so it
    /// is exact up to what is still on the wire.
    fn is_stale(&self) -> bool;

    /// As [`Stream::is_stale`] by what the event loop has seen already: free, and behind by what it
    /// has not looked at yet.
    fn looks_stale(&self) -> bool;

    /// A wait that ends when the connection breaks: reset, given up by the system, or found by its
    /// probes to be nobody's. For when reading has come to its end, after which a broken connection
    /// reads like one that is whole.
    fn watch(&self) -> Watch;

    /// Has the system find out, now and then, whether the other side is still there: where it is not, reading
    /// fails.
    fn probe(&self) {}

    /// What is spoken over it, as far as something has come.
    fn scheme(&self) -> Scheme {
        Scheme::Http
    }

    /// Who is at the other end, by a certificate that was shown. `identify` says so of a certificate, and is
    /// asked once at most.
    fn identity(
        &self,
        identify: &dyn Fn(&CertificateDer<'_>) -> Option<Arc<str>>,
    ) -> Option<Arc<str>> {
        let _ = identify;
        None
    }

    /// Whether it was agreed that HTTP/2 is spoken, and so nothing else is.
    fn is_http2(&self) -> bool {
        false
    }

    /// Whether it brings one request and no other: what follows it is not to be taken for one.
    fn is_single(&self) -> bool {
        false
    }

    /// Makes the close a reset, so that the other side cannot take what it got for the whole.
    fn reset_on_close(&self);
}

/// A wait for a connection to break.
pub type Watch = Pin<Box<dyn Future<Output = ()>>>;

/// Opens streams to instances.
pub trait Dial: Clone + 'static {
    /// What it opens.
    type Stream: Stream;

    /// Connects, without a bound of its own on how long it takes.
    fn dial(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// Dials TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    type Stream = TcpStream;

    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        crate::socket::connect(address).await
    }
}

impl Stream for TcpStream {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }

    /// There is nearly always room: to ask tokio before would cost as much as a good part of the write.
    fn try_write(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        match (first, second) {
            (one, []) | ([], one) => TcpStream::try_write(self, one),
            _ => self.try_write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
        }
    }

    #[cfg(target_os = "linux")]
    fn takes_files(&self) -> bool {
        true
    }

    #[cfg(target_os = "linux")]
    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &File,
        mut offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            let sent = self.try_io(Interest::WRITABLE, || {
                Ok(rustix::fs::sendfile(
                    &*self,
                    file,
                    Some(&mut offset),
                    count,
                )?)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_write_ready(context))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn is_stale(&self) -> bool {
        let mut byte = [0u8; 1];
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        // An open and silent connection has nothing to receive; all else, an error, an end or a
        // byte nobody asked for, makes it unfit for a request.
        !matches!(
            rustix::net::recv(self, &mut byte, flags),
            Err(rustix::io::Errno::AGAIN)
        )
    }

    fn looks_stale(&self) -> bool {
        let mut byte = [0u8; 1];
        // tokio skips the system call while no readiness event has come in.
        !matches!(self.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn watch(&self) -> Watch {
        self.probe();
        // A second registration, as that of `self` tells nothing more once reading has ended.
        let watched = self.as_fd().try_clone_to_owned();
        let watched = watched.and_then(|socket| TcpStream::from_std(socket.into()));
        Box::pin(async move {
            match watched {
                Ok(watched) => drop(watched.ready(Interest::ERROR).await),
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn probe(&self) {
        let probes = crate::socket::probes(PROBE_INTERVAL);
        // Where the system refuses these, the answer's deadline and what is written have to tell.
        let _ = socket2::SockRef::from(self).set_tcp_keepalive(&probes);
    }

    fn reset_on_close(&self) {
        // A socket that refuses the option is closed in order instead: the connection ends all the same.
        let _ = socket2::SockRef::from(self).set_linger(Some(std::time::Duration::ZERO));
    }
}

/// Reads once into `buffer`; 0 is the end of the stream.
pub(crate) fn poll_read_into<S: AsyncRead + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut read = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(context, &mut read))?;
    Poll::Ready(Ok(read.filled().len()))
}

/// Writes once from `first` and what follows it, not both empty. A stream that takes nothing is an error.
pub(crate) fn poll_write_both<S: Stream>(
    stream: &mut S,
    context: &mut Context<'_>,
    first: &[u8],
    second: &[u8],
) -> Poll<io::Result<usize>> {
    let written = match stream.try_write(first, second) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            ready!(poll_write_later(stream, context, first, second))
        }
        tried => tried,
    };
    match written? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(written)),
    }
}

fn poll_write_later<S: Stream>(
    stream: &mut S,
    context: &mut Context<'_>,
    first: &[u8],
    second: &[u8],
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    match (first, second) {
        (one, []) | ([], one) => stream.poll_write(context, one),
        _ => stream.poll_write_vectored(context, &[IoSlice::new(first), IoSlice::new(second)]),
    }
}

/// Writes once from `bytes`, which are not empty. A stream that takes nothing is an error.
pub(crate) fn poll_write_from<S: Stream>(
    stream: &mut S,
    context: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    poll_write_both(stream, context, bytes, &[])
}
