//! A thread's spare buffers, and how many it has lent out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Input, Output};
use crate::limits::{BUFFER, MAX_SPARE_BUFFERS, MAX_SPARE_SMALL, MIN_SPARE_BUFFERS, SMALL_BUFFER};

/// A thread's spare buffers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct BufferPool(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    input: RefCell<Spare<Box<[u8]>>>,
    small: RefCell<Spare<Box<[u8]>>>,
    output: RefCell<Spare<Vec<u8>>>,
    /// Input buffers in use.
    lent: Cell<usize>,
}

/// Buffers ready for use, and how many of them were not needed of late.
#[derive(Debug)]
struct Spare<B> {
    buffers: Vec<B>,
    unneeded: usize,
}

impl BufferPool {
    /// An empty input.
    pub(crate) fn input(&self) -> Input {
        Input::new(self.clone())
    }

    /// An empty output.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.clone())
    }

    /// Whether so many buffers are in use that those with little in them are better off without.
    pub(super) fn is_short(&self) -> bool {
        self.0.lent.get() > MAX_SPARE_BUFFERS
    }

    /// A buffer of [`BUFFER`] bytes to read into.
    pub(super) fn lend_input(&self) -> Box<[u8]> {
        self.0.lent.set(self.0.lent.get() + 1);
        let spare = self.0.input.borrow_mut().take();
        spare.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice())
    }

    pub(super) fn return_input(&self, buffer: Box<[u8]>) {
        self.0.lent.set(self.0.lent.get().saturating_sub(1));
        self.0.input.borrow_mut().put(buffer, MAX_SPARE_BUFFERS);
    }

    /// A buffer of [`SMALL_BUFFER`] bytes, for little that has been read.
    pub(super) fn lend_small(&self) -> Box<[u8]> {
        let spare = self.0.small.borrow_mut().take();
        spare.unwrap_or_else(|| vec![0; SMALL_BUFFER].into_boxed_slice())
    }

    pub(super) fn return_small(&self, buffer: Box<[u8]>) {
        self.0.small.borrow_mut().put(buffer, MAX_SPARE_SMALL);
    }

    pub(super) fn lend_output(&self) -> Vec<u8> {
        let spare = self.0.output.borrow_mut().take();
        spare.unwrap_or_default()
    }

    pub(super) fn return_output(&self, mut buffer: Vec<u8>) {
        // One that an unusually large head has grown is not kept.
        if buffer.capacity() <= 2 * BUFFER {
            buffer.clear();
            self.0.output.borrow_mut().put(buffer, MAX_SPARE_BUFFERS);
        }
    }

    /// Frees half of what was not needed since the last time, so that little is kept of a flood that
    /// is over. How much of that goes back to the system is the allocator's choice.
    pub(crate) fn trim(&self) {
        self.0.input.borrow_mut().trim();
        self.0.small.borrow_mut().trim();
        self.0.output.borrow_mut().trim();
    }
}

impl<B> Spare<B> {
    fn take(&mut self) -> Option<B> {
        let buffer = self.buffers.pop();
        self.unneeded = self.unneeded.min(self.buffers.len());
        buffer
    }

    fn put(&mut self, buffer: B, most: usize) {
        if self.buffers.len() < most {
            self.buffers.push(buffer);
        }
    }

    fn trim(&mut self) {
        let kept = self.buffers.len() - self.unneeded.div_ceil(2);
        self.buffers.truncate(kept.max(MIN_SPARE_BUFFERS));
        self.unneeded = self.buffers.len();
    }
}

impl<B> Default for Spare<B> {
    fn default() -> Self {
        Self {
            buffers: Vec::new(),
            unneeded: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(pool: &BufferPool) -> usize {
        pool.0.input.borrow().buffers.len()
    }

    #[test]
    fn what_was_not_needed_is_given_back_and_what_is_needed_stays() {
        let pool = BufferPool::default();
        let lent: Vec<_> = (0..100).map(|_| pool.lend_input()).collect();
        lent.into_iter()
            .for_each(|buffer| pool.return_input(buffer));
        assert_eq!(spare(&pool), 100);
        pool.trim();
        // From here on sixty are needed at a time.
        for _ in 0..20 {
            let lent: Vec<_> = (0..60).map(|_| pool.lend_input()).collect();
            lent.into_iter()
                .for_each(|buffer| pool.return_input(buffer));
            pool.trim();
        }
        assert_eq!(spare(&pool), 60);
        for _ in 0..20 {
            pool.trim();
        }
        assert_eq!(spare(&pool), MIN_SPARE_BUFFERS);
    }
}
