//! Bytes to be written.

use super::BufferPool;
use crate::limits::{BUFFER, MAX_HEAD};

/// Bytes to be written, in a buffer that goes back to its pool once all are.
#[derive(Debug)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    written: usize,
    pool: BufferPool,
}

impl Output {
    pub(super) fn new(pool: BufferPool) -> Self {
        Self {
            bytes: Vec::new(),
            written: 0,
            pool,
        }
    }

    /// The buffer to append to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = self.pool.lend_output();
        }
        &mut self.bytes
    }

    /// What is still to be written.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Notes that `count` more bytes are written; returns how many of them were none of its own.
    pub(crate) fn wrote(&mut self, count: usize) -> usize {
        let own = count.min(self.pending().len());
        self.written += own;
        if self.written == self.bytes.len() {
            self.clear();
        }
        count - own
    }

    /// How much more may be appended. A head and a whole input buffer go out in one write.
    pub(crate) fn room(&self) -> usize {
        (BUFFER + MAX_HEAD).saturating_sub(self.bytes.len())
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.written = 0;
        if self.bytes.capacity() > 0 {
            self.pool.return_output(std::mem::take(&mut self.bytes));
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_one_is_left_in_the_next() {
        let pool = BufferPool::default();
        let mut output = pool.output();
        output.buffer().extend_from_slice(b"left over");
        assert_eq!(output.wrote(4), 0);
        drop(output);
        let mut output = pool.output();
        assert!(output.buffer().is_empty() && output.pending().is_empty());
    }

    #[test]
    fn what_follows_it_is_told_from_what_is_its_own() {
        let mut output = BufferPool::default().output();
        output.buffer().extend_from_slice(b"head");
        assert_eq!(output.wrote(3), 0);
        assert_eq!(output.pending(), b"d");
        assert_eq!(output.wrote(6), 5);
        assert_eq!(output.wrote(7), 7);
    }
}
