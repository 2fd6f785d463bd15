//! What requests that are not yet handled hold of memory, over all connections.
//!
//! A share grows with what has come of its request: the length that a request begins with is only a claim,
//! and is believed up to [`BELIEVED`] bytes, and only while there is plenty. A connection whose share cannot
//! grow is read no further, and TCP tells the client to wait. Two things keep that from lasting:
//!
//! - One request of a pool at a time has the *turn*. There is always room for the rest of it, kept back for
//!   this, so that no two requests can each hold a half that the other waits for.
//! - While somebody waits, requests that hold a share have a quicker pace to keep, or lose their connection:
//!   see [`Pace`](crate::wire::pace::Pace). And who holds some while it waits for more itself may do so
//!   for [`HOLDING_TIMEOUT`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{
    ALL_ELEMENTS, BELIEVED, FEW_ELEMENTS, HOLDING_TIMEOUT, IDLE_TIMEOUT, LARGE_FRAME,
    LARGE_FRAMES_BUDGET, OTHER_FRAMES_BUDGET, PRESSED_PACE, PRODUCE_FRAMES_BUDGET, READ_CHUNK,
};
use crate::wire::pressure::Pressure;

/// What is counted by: a semaphore's permits are fewer than memory has bytes.
const UNIT: usize = 1024;

/// The memory for requests, shared by all connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    produce: Arc<Pool>,
    large: Arc<Pool>,
    other: Arc<Pool>,
    /// Elements that are decoded.
    elements: Arc<Semaphore>,
}

/// Memory for requests of one kind, so that others have theirs whatever becomes of these.
#[derive(Debug)]
struct Pool {
    units: usize,
    free: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    pressure: Pressure,
}

/// What a request may hold, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    pool: Arc<Pool>,
    bytes: usize,
    permits: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            produce: Pool::new(PRODUCE_FRAMES_BUDGET),
            large: Pool::new(LARGE_FRAMES_BUDGET),
            other: Pool::new(OTHER_FRAMES_BUDGET),
            elements: Arc::new(Semaphore::new(ALL_ELEMENTS)),
        }
    }
}

impl Pool {
    fn new(bytes: usize) -> Arc<Self> {
        let units = bytes / UNIT;
        Arc::new(Self {
            units,
            free: Arc::new(Semaphore::new(units)),
            turn: Arc::new(Semaphore::new(1)),
            pressure: Pressure::default(),
        })
    }
}

impl Budget {
    /// The share of a request that says it has `claimed` bytes. The first [`READ_CHUNK`] of them are
    /// everybody's.
    pub(crate) fn share(&self, is_produce: bool, claimed: usize) -> Share {
        let pool = match is_produce {
            true if claimed > LARGE_FRAME => &self.large,
            true => &self.produce,
            false => &self.other,
        };
        Share {
            pool: pool.clone(),
            bytes: READ_CHUNK,
            permits: None,
            turn: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn is_all_free(&self) -> bool {
        [&self.produce, &self.large, &self.other]
            .iter()
            .all(|pool| {
                pool.free.available_permits() == pool.units && pool.turn.available_permits() == 1
            })
    }

    /// Waits until so many elements may be decoded, which take more memory than they did on the wire.
    pub(crate) async fn elements(&self, count: usize) -> Option<OwnedSemaphorePermit> {
        if count <= FEW_ELEMENTS {
            return None;
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        // Never closed, so there are always permits to come.
        self.elements.clone().acquire_many_owned(count).await.ok()
    }
}

impl Share {
    /// How many bytes of the request may be held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Who else may want the memory.
    pub(crate) fn pressure(&self) -> &Pressure {
        &self.pool.pressure
    }

    /// How long it may wait to grow. A share that holds memory while it waits does so for a short time
    /// only: many of them could hold all there is, and none of them would ever be slow.
    pub(crate) fn patience(&self, claimed: usize) -> Duration {
        match &self.permits {
            None => IDLE_TIMEOUT,
            Some(_) => HOLDING_TIMEOUT + Duration::from_secs((claimed / PRESSED_PACE) as u64),
        }
    }

    /// Makes room for more of a request of which all that there was room for has come. Waits until
    /// there is; cancelling it gives its place in the queue up.
    pub(crate) async fn grow(&mut self, claimed: usize) {
        let free = &self.pool.free;
        let is_plenty = free.available_permits() > self.pool.units / 2;
        let believed = if is_plenty { BELIEVED } else { 0 };
        let bytes = claimed.min((2 * self.bytes).max(believed));
        let more = bytes.saturating_sub(self.bytes).div_ceil(UNIT);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        if self.turn.is_none() {
            match free.clone().try_acquire_many_owned(more) {
                Ok(permits) => self.add(permits),
                Err(_) => self.wait(more).await,
            }
        }
        self.bytes = bytes;
    }

    async fn wait(&mut self, more: u32) {
        let _waiting = self.pool.pressure.wait();
        let (free, turn) = (self.pool.free.clone(), self.pool.turn.clone());
        // Neither is ever closed. What the other has half of goes back.
        tokio::select! {
            Ok(permits) = free.acquire_many_owned(more) => self.add(permits),
            Ok(turn) = turn.acquire_owned() => self.turn = Some(turn),
        }
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permits {
            Some(permits) => permits.merge(more),
            None => self.permits = Some(more),
        }
    }
}
