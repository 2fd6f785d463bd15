//! What requests that are not yet handled hold of memory, over all connections.
//!
//! A connection takes its share before it reads on, and waits while there is none: TCP then tells
//! the client to wait as well. The whole of a request is taken at once, so that no two requests
//! can each hold a half that the other waits for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{FRAME_BUDGET, LARGE_FRAME, LARGE_FRAME_BUDGET, READ_CHUNK};

/// What is counted by: a semaphore's permits are fewer than memory has bytes.
const UNIT: usize = 1024;

/// The memory for requests, shared by all connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    usual: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A request's share, until it is dropped; small requests have none.
#[derive(Debug)]
pub(crate) struct Share {
    _permits: Option<OwnedSemaphorePermit>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            usual: Arc::new(Semaphore::new(FRAME_BUDGET / UNIT)),
            large: Arc::new(Semaphore::new(LARGE_FRAME_BUDGET.div_ceil(UNIT))),
        }
    }
}

impl Budget {
    /// Waits until `bytes` of a request may be held. Cancelling it gives its place in the queue up.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        if bytes <= READ_CHUNK {
            return Share { _permits: None };
        }
        let semaphore = if bytes <= LARGE_FRAME {
            &self.usual
        } else {
            &self.large
        };
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        Share {
            // Never closed, so there is always a permit to come.
            _permits: semaphore.clone().acquire_many_owned(units).await.ok(),
        }
    }
}
