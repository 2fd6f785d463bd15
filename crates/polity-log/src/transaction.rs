//! Which transactions are open in a partition, as far as readers are concerned.

use std::collections::BTreeMap;

use crate::id::Offset;
use crate::partition::Mark;
use crate::producer::Change;

/// Transactions that are not over for who reads only what is committed.
///
/// A transaction is over once its marker counts, not when it is appended: if a power cut takes the
/// marker back, the transaction may end the other way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transactions {
    /// By where they began.
    open: BTreeMap<Offset, Mark>,
    /// Those with a marker that does not count yet: where they began, and where it is.
    ended: Vec<(Mark, Offset)>,
}

impl Transactions {
    /// Takes note of what the batch that begins there has done.
    pub(crate) fn apply(&mut self, change: Change, at: Mark) {
        match change {
            Change::None => {}
            Change::Began => {
                self.open.insert(at.offset, at);
            }
            Change::Ended { first } => {
                let first = self.open.remove(&first);
                self.ended.extend(first.map(|first| (first, at.offset)));
            }
        }
    }

    /// One is open that began there, as was noted.
    pub(crate) fn reopen(&mut self, at: Mark) {
        self.open.insert(at.offset, at);
    }

    /// All before `high_watermark` counts.
    pub(crate) fn settle(&mut self, high_watermark: Offset) {
        self.ended.retain(|(_, marker)| *marker >= high_watermark);
    }

    /// Where the first begins.
    pub(crate) fn first(&self) -> Option<Mark> {
        let open = self.open.first_key_value().map(|(_, mark)| *mark);
        let ended = self.ended.iter().map(|(first, _)| *first);
        open.into_iter().chain(ended).min_by_key(|mark| mark.offset)
    }
}
