//! Offsets together with where they are, so that nobody has to look for them.

use super::Durability;
use crate::id::Offset;

/// An offset at which a batch begins or will begin, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: Offset,
    /// The base of its segment.
    pub(crate) segment: Offset,
    pub(crate) position: u32,
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) start: Offset,
    /// Where the first transaction that is open begins.
    pub(crate) unstable: Option<Mark>,
    /// All before it outlives the machine.
    pub(crate) durable: Mark,
    pub(crate) end: Mark,
}

/// Where the records of a partition begin and end, and up to where they count. Each is the offset of the
/// first record beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// The first record there is.
    pub start: Offset,
    /// Before it no transaction is open: up to here `read_committed` reads.
    pub last_stable: Offset,
    /// All before it counts: up to here everybody reads, and producers are answered.
    pub high_watermark: Offset,
    /// Where the next record goes.
    pub end: Offset,
}

impl Bounds {
    pub(crate) fn high_watermark(&self, durability: Durability) -> Mark {
        match durability {
            Durability::Fsync => self.durable,
            Durability::Os => self.end,
        }
    }

    pub(crate) fn last_stable(&self, durability: Durability) -> Mark {
        let high_watermark = self.high_watermark(durability);
        match self.unstable {
            Some(unstable) if unstable.offset < high_watermark.offset => unstable,
            _ => high_watermark,
        }
    }

    pub(crate) fn offsets(&self, durability: Durability) -> Offsets {
        Offsets {
            start: self.start,
            last_stable: self.last_stable(durability).offset,
            high_watermark: self.high_watermark(durability).offset,
            end: self.end.offset,
        }
    }
}

/// Where the latest reads ended: the next ones will begin there, and need no index.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    marks: Vec<Mark>,
    next: usize,
}

/// Readers of one partition that are known at the same time.
const RECENT: usize = 32;

impl Recent {
    pub(crate) fn get(&self, offset: Offset) -> Option<Mark> {
        self.marks
            .iter()
            .find(|mark| mark.offset == offset)
            .copied()
    }

    pub(crate) fn put(&mut self, mark: Mark) {
        if let Some(known) = self
            .marks
            .iter_mut()
            .find(|known| known.offset == mark.offset)
        {
            *known = mark;
        } else if self.marks.len() < RECENT {
            self.marks.push(mark);
        } else {
            self.marks[self.next] = mark;
            self.next = (self.next + 1) % RECENT;
        }
    }
}
