//! Bytes read and not used yet.

use std::io;
use std::task::{Context, Poll, ready};

use super::BufferPool;
use crate::limits::{BUFFER, MAX_PARKED, SMALL_BUFFER};
use crate::stream::{Stream, poll_read_into};

/// Bytes read and not used yet.
///
/// It holds a buffer of the pool only while there is something in it: a connection that waits
/// costs none. Where it waits with something in it (a request that is held until its answer has
/// come, a head that trickles in), and that is little, it moves to a small buffer: the large ones that
/// all connections share are then few, and what they read into is in the processor's caches.
#[derive(Debug)]
pub(crate) struct Input {
    /// None, one of [`BUFFER`] or [`SMALL_BUFFER`] bytes from the pool, or one of its own.
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// It is empty, and has been waited for.
    awaited: bool,
    pool: BufferPool,
}

impl Input {
    pub(super) fn new(pool: BufferPool) -> Self {
        Self {
            bytes: Box::default(),
            start: 0,
            end: 0,
            awaited: false,
            pool,
        }
    }

    /// What is there.
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How much is there.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether nothing more fits.
    pub(crate) fn is_full(&self) -> bool {
        self.len() == BUFFER
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Forgets empty lines at the front.
    pub(crate) fn skip_empty_lines(&mut self) {
        while self.data().starts_with(b"\r\n") {
            self.consume(2);
        }
    }

    /// Reads once from `stream`, unless it [is full](Input::is_full); 0 is the end of the stream.
    pub(crate) fn poll_read<S: Stream>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(!self.is_full(), "read into a full buffer");
        if self.looks_first() {
            ready!(stream.poll_readable(context))?;
        }
        // What looks readable need not be, as a connection before anything has come: only a read tells.
        let read = poll_read_into(stream, context, self.space());
        if read.is_pending() {
            self.rest();
        }
        let read = ready!(read)?;
        self.awaited = false;
        self.end += read;
        Poll::Ready(Ok(read))
    }

    /// Whether to take a buffer only once there is something to read. Where nothing is held, the first
    /// look finds nothing, nearly always, and what comes after that is that the task is woken by bytes.
    fn looks_first(&mut self) -> bool {
        let is_empty = self.is_empty();
        let awaited = std::mem::replace(&mut self.awaited, is_empty);
        self.bytes.len() != BUFFER && !awaited
    }

    /// Where to read more into.
    fn space(&mut self) -> &mut [u8] {
        if self.bytes.len() != BUFFER {
            let large = self.pool.lend_input();
            self.move_to(large);
        } else if self.end == BUFFER {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.len());
        }
        &mut self.bytes[self.end..]
    }

    /// There is nothing to read: lets go of the buffer, if what is there can do without.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            self.let_go();
        } else if self.bytes.len() == BUFFER && self.len() <= SMALL_BUFFER {
            let small = self.pool.lend_small();
            self.move_to(small);
        } else if self.bytes.len() == BUFFER && self.len() <= MAX_PARKED && self.pool.is_short() {
            self.move_to(vec![0; self.len()].into());
        }
    }

    /// Moves what is there to `bytes`, which have room for it.
    fn move_to(&mut self, mut bytes: Box<[u8]>) {
        let kept = self.data();
        let end = kept.len();
        bytes[..end].copy_from_slice(kept);
        self.let_go();
        (self.bytes, self.end) = (bytes, end);
    }

    /// Returns what is of the pool, and forgets what was in it.
    fn let_go(&mut self) {
        (self.start, self.end) = (0, 0);
        let bytes = std::mem::take(&mut self.bytes);
        match bytes.len() {
            BUFFER => self.pool.return_input(bytes),
            SMALL_BUFFER => self.pool.return_small(bytes),
            _ => {}
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::connection::tests::memory::{Memory, Peer, pair};
    use crate::limits::MAX_SPARE_BUFFERS;

    /// Reads what is there; none where nothing is.
    async fn read(input: &mut Input, from: &mut Memory) -> Option<usize> {
        poll_fn(|context| {
            Poll::Ready(match input.poll_read(from, context) {
                Poll::Ready(read) => Some(read.expect("a stream in memory does not fail")),
                Poll::Pending => None,
            })
        })
        .await
    }

    async fn write(to: &mut Peer, bytes: &[u8]) {
        to.stream.write_all(bytes).await.expect("room");
    }

    #[tokio::test]
    async fn a_full_buffer_makes_room_by_consuming_and_loses_nothing() {
        let (mut near, mut far) = pair();
        let mut input = BufferPool::default().input();
        while !input.is_full() {
            write(&mut far, b"aaaaaaaaaaaaaaaa").await;
            while read(&mut input, &mut near).await.is_some() && !input.is_full() {}
        }
        input.consume(10);
        write(&mut far, b"aaaaaaaaaa").await;
        while !input.is_full() {
            assert!(read(&mut input, &mut near).await.is_some());
        }
        assert!(input.data() == [b'a'; BUFFER]);
    }

    #[tokio::test]
    async fn what_waits_holds_no_buffer_and_what_little_it_has_is_kept() {
        let pool = BufferPool::default();
        let (mut near, mut far) = pair();
        let mut input = pool.input();
        // Whether looked for or waited for.
        for _ in 0..2 {
            assert_eq!(read(&mut input, &mut near).await, None);
            assert_eq!(input.bytes.len(), 0, "nothing is there");
        }
        write(&mut far, b"head").await;
        assert_eq!(read(&mut input, &mut near).await, Some(4));
        input.consume(1);
        assert_eq!(input.bytes.len(), BUFFER);
        // To look for more takes no buffer, however often.
        for _ in 0..3 {
            assert_eq!(read(&mut input, &mut near).await, None);
            assert_eq!(
                (input.bytes.len(), input.data()),
                (SMALL_BUFFER, &b"ead"[..])
            );
        }

        write(&mut far, b"er").await;
        while input.data() != b"eader" {
            assert!(read(&mut input, &mut near).await.is_some());
        }
        assert_eq!(input.bytes.len(), BUFFER);
    }

    #[tokio::test]
    async fn what_is_more_is_moved_once_many_wait() {
        let pool = BufferPool::default();
        let (mut near, mut far) = pair();
        let mut input = pool.input();
        let length = SMALL_BUFFER + 1;
        while input.len() < length {
            write(&mut far, &[b'a'; 1]).await;
            read(&mut input, &mut near).await;
        }
        assert_eq!(read(&mut input, &mut near).await, None);
        assert_eq!(input.bytes.len(), BUFFER, "few are in use");
        let others: Vec<_> = (0..MAX_SPARE_BUFFERS).map(|_| pool.lend_input()).collect();
        for _ in 0..2 {
            assert_eq!(read(&mut input, &mut near).await, None);
            assert_eq!((input.bytes.len(), input.len()), (length, length));
        }
        assert!(!pool.is_short());
        drop(others);
    }
}
