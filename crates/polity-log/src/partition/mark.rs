//! Offsets together with where they are, so that nobody has to look for them.

use super::Durability;
use crate::checkpoint::Epochs;
use crate::id::Offset;
use crate::transaction::Transactions;

/// An offset at which a batch begins or will begin, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: Offset,
    /// The base of its segment.
    pub(crate) segment: Offset,
    pub(crate) position: u32,
}

/// Where a partition begins and ends.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) start: Offset,
    /// All before it outlives the machine.
    pub(crate) durable: Mark,
    pub(crate) end: Mark,
    pub(crate) transactions: Transactions,
    pub(crate) epochs: Epochs,
    /// Where the first transaction begins that is not over.
    unstable: Option<Mark>,
}

/// Where a partition began and ended at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) start: Offset,
    pub(crate) last_stable: Mark,
    pub(crate) high_watermark: Mark,
    pub(crate) end: Offset,
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
    /// Of a partition that ends there, with what transactions there are.
    pub(crate) fn new(
        start: Offset,
        end: Mark,
        transactions: Transactions,
        epochs: Epochs,
    ) -> Self {
        let unstable = transactions.first();
        Self {
            start,
            durable: end,
            end,
            transactions,
            epochs,
            unstable,
        }
    }

    /// After the end or what is durable moved, or transactions began or ended.
    pub(crate) fn settle(&mut self, durability: Durability) {
        self.transactions
            .settle(self.high_watermark(durability).offset);
        self.unstable = self.transactions.first();
    }

    pub(crate) fn view(&self, durability: Durability) -> View {
        let high_watermark = self.high_watermark(durability);
        let unstable = self.unstable.filter(|it| it.offset < high_watermark.offset);
        View {
            start: self.start,
            last_stable: unstable.unwrap_or(high_watermark),
            high_watermark,
            end: self.end.offset,
        }
    }

    fn high_watermark(&self, durability: Durability) -> Mark {
        match durability {
            Durability::Fsync => self.durable,
            Durability::Os => self.end,
        }
    }
}

impl View {
    pub(crate) fn offsets(&self) -> Offsets {
        Offsets {
            start: self.start,
            last_stable: self.last_stable.offset,
            high_watermark: self.high_watermark.offset,
            end: self.end,
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
