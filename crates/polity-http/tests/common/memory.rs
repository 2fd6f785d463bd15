//! Connections in memory, whose bytes come and go in pieces of given sizes: what a network may do to
//! a stream, without a network.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use polity_http::stream::{Dial, Stream, Watch};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

/// How much one direction holds; less than the data plane's own buffers, so that it comes to wait.
const CAPACITY: usize = 48 * 1024;

/// The sizes of the pieces in which a direction is read and written, over and over. After each piece
/// its reader or writer has to wait a turn. Empty for as much as there is.
pub(crate) type Pieces = Vec<usize>;

/// One direction.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    pieces: Pieces,
    turns: usize,
    /// Nothing more is written.
    ended: bool,
    /// Nothing more is read.
    abandoned: bool,
    /// The end, once all is read, is an error.
    reset: bool,
    wakers: Vec<Waker>,
    reader_waits: bool,
    writer_waits: bool,
}

impl Pipe {
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn piece(&mut self) -> usize {
        self.turns += 1;
        match self.pieces.len() {
            0 => usize::MAX,
            count => self.pieces[self.turns % count].max(1),
        }
    }

    fn has_news(&self) -> bool {
        !self.bytes.is_empty() || self.ended
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.reader_waits) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.bytes.is_empty() {
            return match (self.ended, self.reset) {
                (true, true) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                (true, false) => Poll::Ready(Ok(())),
                (false, _) => {
                    self.wakers.push(context.waker().clone());
                    Poll::Pending
                }
            };
        }
        let taken = self.bytes.len().min(self.piece()).min(buffer.remaining());
        for byte in self.bytes.drain(..taken) {
            buffer.put_slice(&[byte]);
        }
        self.reader_waits = !self.pieces.is_empty();
        self.wake();
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.abandoned || self.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if std::mem::take(&mut self.writer_waits) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let room = CAPACITY - self.bytes.len();
        if room == 0 {
            self.wakers.push(context.waker().clone());
            return Poll::Pending;
        }
        let taken = bytes.len().min(self.piece()).min(room);
        self.bytes.extend(&bytes[..taken]);
        self.writer_waits = !self.pieces.is_empty();
        self.wake();
        Poll::Ready(Ok(taken))
    }
}

/// One end of a connection. Dropping it closes it: with a reset if bytes for it are left unread.
pub(crate) struct End {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
    resets: Cell<bool>,
}

/// A connection; what the first end sends goes in the first pieces.
pub(crate) fn connection(there: Pieces, back: Pieces) -> (End, End) {
    let pipe = |pieces| {
        Rc::new(RefCell::new(Pipe {
            pieces,
            ..Pipe::default()
        }))
    };
    let (there, back) = (pipe(there), pipe(back));
    let end = |incoming: &Rc<RefCell<Pipe>>, outgoing: &Rc<RefCell<Pipe>>| End {
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        resets: Cell::new(false),
    };
    (end(&back, &there), end(&there, &back))
}

impl Drop for End {
    fn drop(&mut self) {
        let mut incoming = self.incoming.borrow_mut();
        let mut outgoing = self.outgoing.borrow_mut();
        outgoing.reset |= self.resets.get() || !incoming.bytes.is_empty();
        outgoing.ended = true;
        incoming.abandoned = true;
        incoming.bytes.clear();
        incoming.wake();
        outgoing.wake();
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.incoming.borrow_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.borrow_mut().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.outgoing.borrow_mut();
        outgoing.ended = true;
        outgoing.wake();
        Poll::Ready(Ok(()))
    }
}

impl Stream for End {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut incoming = self.incoming.borrow_mut();
        match incoming.has_news() {
            true => Poll::Ready(Ok(())),
            false => {
                incoming.wakers.push(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_stale(&self) -> bool {
        self.incoming.borrow().has_news()
    }

    fn looks_stale(&self) -> bool {
        self.is_stale()
    }

    fn watch(&self) -> Watch {
        let outgoing = self.outgoing.clone();
        Box::pin(poll_fn(move |context| {
            let mut outgoing = outgoing.borrow_mut();
            match outgoing.abandoned {
                true => Poll::Ready(()),
                false => {
                    outgoing.wakers.push(context.waker().clone());
                    Poll::Pending
                }
            }
        }))
    }

    fn reset_on_close(&self) {
        self.resets.set(true);
    }
}

/// Hands the far end of each connection that is made to whoever plays the instances.
#[derive(Clone)]
pub(crate) struct MemoryDial {
    pub(crate) made: mpsc::UnboundedSender<End>,
    /// To the instance, and back.
    pub(crate) pieces: Rc<(Pieces, Pieces)>,
}

impl Dial for MemoryDial {
    type Stream = End;

    async fn dial(&self, _: SocketAddr) -> io::Result<End> {
        let (near, far) = connection(self.pieces.0.clone(), self.pieces.1.clone());
        let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        self.made.send(far).map_err(refused)?;
        Ok(near)
    }
}
