//! What requests that are not yet handled hold of memory, over all connections.
//!
//! A request that is more than [`READ_CHUNK`] is given room for all of it once that much has come: a length
//! that is only claimed takes nothing from others. Until there is room its connection is read no further, and
//! TCP tells the client to wait. Who waits holds nothing, so that no two can wait for each other, and room is
//! given in the order in which it was asked for.
//!
//! While somebody waits, requests that have room keep a quicker pace or lose their connection, and a quicker
//! one the more there are who wait: see [`Pace`](crate::wire::pace::Pace).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{
    FEW_ELEMENTS, HUGE_FRAMES_BUDGET, LARGE_FRAME, LARGE_FRAMES_BUDGET, MANY_ELEMENTS,
    MANY_ELEMENTS_BUDGET, OTHER_FRAMES_BUDGET, PRESSED_REQUESTS, PRODUCE_FRAMES_BUDGET, READ_CHUNK,
    SOME_ELEMENTS_BUDGET,
};
use crate::wire::pressure::Pressure;
use crate::wire::turn::Turn;

/// What is counted by: a semaphore's permits are fewer than memory has bytes.
const UNIT: usize = 1024;

/// The memory for requests, shared by all connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    produce: Arc<Pool>,
    large: Arc<Pool>,
    huge: Arc<Pool>,
    other: Arc<Pool>,
    some_elements: Arc<Semaphore>,
    many_elements: Arc<Semaphore>,
    /// Who of those is worked on whose requests take a while.
    pub(crate) turn: Turn,
}

/// Memory for requests of one kind, so that others have theirs whatever becomes of these.
#[derive(Debug)]
struct Pool {
    units: usize,
    free: Arc<Semaphore>,
    pressure: Pressure,
}

/// What a request may hold, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    pool: Arc<Pool>,
    room: Option<OwnedSemaphorePermit>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            produce: Pool::new(PRODUCE_FRAMES_BUDGET),
            large: Pool::new(LARGE_FRAMES_BUDGET),
            huge: Pool::new(HUGE_FRAMES_BUDGET),
            other: Pool::new(OTHER_FRAMES_BUDGET),
            some_elements: Arc::new(Semaphore::new(SOME_ELEMENTS_BUDGET)),
            many_elements: Arc::new(Semaphore::new(MANY_ELEMENTS_BUDGET)),
            turn: Turn::default(),
        }
    }
}

impl Pool {
    fn new(bytes: usize) -> Arc<Self> {
        let units = bytes / UNIT;
        Arc::new(Self {
            units,
            free: Arc::new(Semaphore::new(units)),
            pressure: Pressure::new(PRESSED_REQUESTS),
        })
    }
}

impl Budget {
    /// The share of a request that says it has `claimed` bytes.
    pub(crate) fn share(&self, is_produce: bool, claimed: usize) -> Share {
        let pool = match is_produce {
            true if claimed > LARGE_FRAMES_BUDGET => &self.huge,
            true if claimed > LARGE_FRAME => &self.large,
            true => &self.produce,
            false => &self.other,
        };
        Share {
            pool: pool.clone(),
            room: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn is_all_free(&self) -> bool {
        [&self.produce, &self.large, &self.huge, &self.other]
            .iter()
            .all(|pool| pool.free.available_permits() == pool.units)
    }

    /// Waits until so many elements may be decoded, which take more memory than they did on the wire.
    pub(crate) async fn elements(&self, count: usize) -> Option<OwnedSemaphorePermit> {
        if count <= FEW_ELEMENTS {
            return None;
        }
        let budget = match count > MANY_ELEMENTS {
            false => &self.some_elements,
            true => &self.many_elements,
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        // Never closed, so there are always permits to come.
        budget.clone().acquire_many_owned(count).await.ok()
    }
}

impl Share {
    /// Who else may want the memory.
    pub(crate) fn pressure(&self) -> &Pressure {
        &self.pool.pressure
    }

    /// Waits until there is room for all of a request beyond its first [`READ_CHUNK`]. Cancelling it gives
    /// its place in the queue up.
    pub(crate) async fn take(&mut self, claimed: usize) {
        let units = claimed.saturating_sub(READ_CHUNK).div_ceil(UNIT);
        let units = u32::try_from(units.min(self.pool.units)).unwrap_or(u32::MAX);
        let free = &self.pool.free;
        // Who waits already is before us: what is given back goes to them.
        self.room = match free.clone().try_acquire_many_owned(units) {
            Ok(room) => Some(room),
            Err(_) => {
                let _waiting = self.pool.pressure.wait();
                // Never closed.
                free.clone().acquire_many_owned(units).await.ok()
            }
        };
    }
}
