//! What the log remembers of a disk that failed.

use std::sync::OnceLock;

/// Set once, and never taken back: after a failed write or fsync nobody knows what is on the disk. To
/// try again would be wrong, since the kernel may have dropped the pages it could not write and would
/// then report success (the PostgreSQL project's "fsyncgate" of 2018).
#[derive(Debug, Default)]
pub(crate) struct Poison(OnceLock<String>);

impl Poison {
    /// Refuses writes from now on.
    pub(crate) fn set(&self, why: String) {
        if self.0.set(why.clone()).is_ok() {
            tracing::error!("the log's disk failed, and it takes no more writes: {why}");
        }
    }

    /// Why writes are refused, if they are.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}
