//! Fixed buffers, and the few that a thread keeps ready: a connection has one only while it works.

use std::cell::RefCell;
use std::rc::Rc;

use crate::limits::{BUFFER, MAX_HEAD, MAX_SPARE_BUFFERS};

/// A thread's spare buffers.
#[derive(Debug, Clone, Default)]
pub(crate) struct BufferPool {
    input: Rc<RefCell<Vec<Box<[u8]>>>>,
    output: Rc<RefCell<Vec<Vec<u8>>>>,
}

/// Bytes read and not used yet, in a buffer that goes back to its pool when dropped.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    pool: BufferPool,
}

/// Bytes to be written, in a buffer that goes back to its pool when dropped.
#[derive(Debug)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    written: usize,
    pool: BufferPool,
}

impl BufferPool {
    /// An empty input buffer of [`BUFFER`] bytes.
    pub(crate) fn input(&self) -> Input {
        let spare = self.input.borrow_mut().pop();
        Input {
            bytes: spare.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice()),
            start: 0,
            end: 0,
            pool: self.clone(),
        }
    }

    /// An empty output buffer.
    pub(crate) fn output(&self) -> Output {
        Output {
            bytes: self.output.borrow_mut().pop().unwrap_or_default(),
            written: 0,
            pool: self.clone(),
        }
    }
}

impl Input {
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

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Where to read more into: empty only when the buffer is full of what is there.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() && self.start > 0 {
            let kept = self.len();
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, kept);
        }
        &mut self.bytes[self.end..]
    }

    /// Whether nothing more fits.
    pub(crate) fn is_full(&self) -> bool {
        self.len() == self.bytes.len()
    }

    /// Takes in `count` bytes that were read into [`Input::space`].
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
        debug_assert!(
            self.end <= self.bytes.len(),
            "more filled than there was room"
        );
    }
}

impl Output {
    /// The buffer to append to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What is still to be written.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Notes that `count` more bytes are written, and starts afresh once all are.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written >= self.bytes.len() {
            self.clear();
        }
    }

    /// How much more may be appended. A head and a whole input buffer go out in one write.
    pub(crate) fn room(&self) -> usize {
        (BUFFER + MAX_HEAD).saturating_sub(self.bytes.len())
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.written = 0;
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let mut spare = self.pool.input.borrow_mut();
        if spare.len() < MAX_SPARE_BUFFERS {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut spare = self.pool.output.borrow_mut();
        // One that an unusually large head has grown is not kept.
        if spare.len() < MAX_SPARE_BUFFERS && self.bytes.capacity() <= 2 * BUFFER {
            self.bytes.clear();
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_makes_room_only_by_consuming() {
        let pool = BufferPool::default();
        let mut input = pool.input();
        let size = input.space().len();
        input.filled(size);
        assert!(input.is_full() && input.space().is_empty());
        input.consume(10);
        assert_eq!(input.space().len(), 10);
        assert_eq!(input.len(), BUFFER - 10);
    }

    #[test]
    fn buffers_are_used_again() {
        let pool = BufferPool::default();
        let address = pool.input().data().as_ptr();
        assert_eq!(pool.input().data().as_ptr(), address);
        let mut output = pool.output();
        output.buffer().extend_from_slice(b"left over");
        drop(output);
        assert!(pool.output().pending().is_empty());
    }
}
