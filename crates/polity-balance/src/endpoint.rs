//! One place requests go to: how many are there, and whether more may go.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;

/// The statistics of one instance, shared by all threads and by every snapshot that holds it.
///
/// On cache lines of its own (two, as processors prefetch them in pairs): requests to one instance
/// must not slow those to its neighbour in memory.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Endpoint {
    /// Requests in flight, and [`RETIRED`] once no more may come.
    ///
    /// One word, because the two must never be seen apart. A roll retires the old instance, waits
    /// until nothing is in flight and stops it; were the flag a word of its own, a thread could read
    /// "not retired", be held up, and count its request in after the roll has read zero. Here
    /// counting in and reading the flag are one step in the one order all threads agree on for this
    /// word: a request counted before the flag is seen by whoever then reads the count, and one
    /// counted after it sees the flag and gives up.
    state: AtomicU64,
}

const RETIRED: u64 = 1 << 63;

impl Endpoint {
    /// An endpoint with nothing in flight.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests in flight. Exact, but for callers of [`InFlight::begin`] about to be told that the
    /// endpoint is retired: after [`retire`](Self::retire), 0 means that no request is there and none
    /// will ever be.
    pub fn in_flight(&self) -> u64 {
        // Acquire: whoever stops the instance at 0 has seen all that the last request did.
        self.state.load(Ordering::Acquire) & !RETIRED
    }

    /// Lets no further request begin. There is no way back: an instance that returns is given an
    /// endpoint of its own.
    pub fn retire(&self) {
        self.state.fetch_or(RETIRED, Ordering::AcqRel);
    }

    /// Whether no further request may begin.
    pub fn is_retired(&self) -> bool {
        self.state.load(Ordering::Acquire) & RETIRED != 0
    }

    /// Whether it is retired and its last request has ended: nothing goes there any more.
    pub fn is_drained(&self) -> bool {
        self.state.load(Ordering::Acquire) == RETIRED
    }
}

impl AsRef<Endpoint> for Endpoint {
    fn as_ref(&self) -> &Endpoint {
        self
    }
}

/// A request at an endpoint, counted from here until this is dropped, however that comes: at its
/// end, by an error, or because its task was cancelled.
///
/// `E` is what the caller knows the endpoint by (an `Arc` of it, or of something with it inside,
/// such as its address) and is reached through the guard. Its `as_ref` must always give the same
/// endpoint.
#[derive(Debug)]
pub struct InFlight<E: AsRef<Endpoint>> {
    holder: E,
}

impl<E: AsRef<Endpoint>> InFlight<E> {
    /// Counts a request in; none where the endpoint is retired.
    pub fn begin(holder: E) -> Option<Self> {
        let before = holder.as_ref().state.fetch_add(1, Ordering::AcqRel);
        let counted = Self { holder };
        // Dropping it where the endpoint is retired counts it out again.
        (before & RETIRED == 0).then_some(counted)
    }
}

impl<E: AsRef<Endpoint>> Drop for InFlight<E> {
    fn drop(&mut self) {
        // Release: see `Endpoint::in_flight`.
        self.holder.as_ref().state.fetch_sub(1, Ordering::Release);
    }
}

impl<E: AsRef<Endpoint>> Deref for InFlight<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.holder
    }
}
