//! What a client sends, in memory: what was written is there at once, whatever the machine is busy with.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use crate::wire::frame::Source;

/// What is under way at most, as in the buffers of a connection.
const ROOM: usize = 64 * 1024;

/// The client's end. The connection ends when it is dropped.
pub(crate) struct Near(Arc<Mutex<Way>>);

/// The server's end.
pub(crate) struct Far(Arc<Mutex<Way>>);

#[derive(Default)]
struct Way {
    bytes: BytesMut,
    is_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub(crate) fn pipe() -> (Near, Far) {
    let way = Arc::default();
    (Near(Arc::clone(&way)), Far(way))
}

impl Near {
    /// Waits until all has been taken or is under way.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) {
        poll_fn(|context| {
            let mut way = lock(&self.0);
            let (now, later) = bytes.split_at(bytes.len().min(ROOM - way.bytes.len()));
            way.bytes.extend_from_slice(now);
            bytes = later;
            way.reader.take().into_iter().for_each(Waker::wake);
            way.writer = Some(context.waker().clone());
            match bytes.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        let mut way = lock(&self.0);
        way.is_ended = true;
        way.reader.take().into_iter().for_each(Waker::wake);
    }
}

impl Way {
    fn is_readable(&self) -> bool {
        self.is_ended || !self.bytes.is_empty()
    }

    fn take(&mut self, into: &mut impl BufMut) -> usize {
        let count = into.remaining_mut().min(self.bytes.len());
        into.put((&mut self.bytes).take(count));
        self.writer.take().into_iter().for_each(Waker::wake);
        count
    }
}

impl Source for Far {
    async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            let mut way = lock(&self.0);
            way.reader = Some(context.waker().clone());
            match way.is_readable() {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        })
        .await
    }

    fn try_read_buf(&mut self, into: &mut impl BufMut) -> io::Result<usize> {
        let mut way = lock(&self.0);
        match way.is_readable() {
            true => Ok(way.take(into)),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl AsyncRead for Far {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut way = lock(&self.0);
        if !way.is_readable() {
            way.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        way.take(into);
        Poll::Ready(Ok(()))
    }
}

fn lock(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    way.lock().expect("nothing panics while it has it")
}
