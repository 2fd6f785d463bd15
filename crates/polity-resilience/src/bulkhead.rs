//! A fixed limit on what goes on at once, so that one flood leaves the others their room.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Overloaded;

#[cfg(test)]
#[path = "bulkhead_tests.rs"]
mod tests;

/// How many are inside, exact over all threads. On cache lines of its own, as every request writes it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Bulkhead(AtomicU64);

/// A place inside, counted until this is dropped, however that comes.
///
/// `H` is how the caller holds the bulkhead. Its `as_ref` must always give the same one.
#[derive(Debug)]
pub struct Place<H: AsRef<Bulkhead>>(H);

impl Bulkhead {
    /// How many are inside, and about to be told that they may not be.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl AsRef<Bulkhead> for Bulkhead {
    fn as_ref(&self) -> &Bulkhead {
        self
    }
}

impl<H: AsRef<Bulkhead>> Place<H> {
    /// Takes one of `limit` places.
    ///
    /// # Errors
    /// When all are taken.
    pub fn take(holder: H, limit: u64) -> Result<Self, Overloaded> {
        // Counted first and looked at then: of two threads at the last place, never both get it.
        let before = holder.as_ref().0.fetch_add(1, Ordering::Relaxed);
        let place = Self(holder);
        match before < limit {
            true => Ok(place),
            // Dropping it counts it out again.
            false => Err(Overloaded),
        }
    }
}

impl<H: AsRef<Bulkhead>> Drop for Place<H> {
    fn drop(&mut self) {
        self.0.as_ref().0.fetch_sub(1, Ordering::Relaxed);
    }
}
