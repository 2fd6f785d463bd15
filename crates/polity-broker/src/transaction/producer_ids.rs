//! Producer ids, handed out from blocks that are reserved once and for all.

use crate::journal::AppendError;
use crate::transaction::settings::ID_BLOCK;

/// Where blocks of producer ids come from.
pub trait IdBlocks {
    /// Reserves `count` ids and gives the first. No later call gives any of them, after a crash
    /// neither: that is durable when this returns.
    ///
    /// # Errors
    /// None could be reserved; try again.
    fn reserve(&mut self, count: i64) -> Result<i64, AppendError>;
}

/// The rest of the block in use.
#[derive(Debug, Default)]
pub struct ProducerIds {
    next: i64,
    end: i64,
}

impl ProducerIds {
    /// An id that nobody has had.
    ///
    /// # Errors
    /// The block is used up, and another one could not be reserved.
    pub fn next(&mut self, blocks: &mut dyn IdBlocks) -> Result<i64, AppendError> {
        if self.next >= self.end {
            let first = blocks.reserve(ID_BLOCK)?;
            (self.next, self.end) = (first, first.saturating_add(ID_BLOCK));
        }
        let id = self.next;
        self.next += 1;
        Ok(id)
    }
}
