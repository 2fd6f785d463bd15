//! Watches how few instances serve, from one change of the catalog to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;

use crate::simulation::World;

/// The fewest ready instances of a service since it was made.
pub(super) struct Floor {
    lowest: Arc<AtomicUsize>,
    watching: JoinHandle<()>,
}

impl Floor {
    pub(super) fn of(world: &World, service: &'static str) -> Self {
        let lowest = Arc::new(AtomicUsize::new(world.serving(service).len()));
        let (seen, world) = (lowest.clone(), world.clone());
        let watching = tokio::spawn(async move {
            let mut changes = world.catalog.subscribe();
            while changes.changed().await.is_some() {
                seen.fetch_min(world.serving(service).len(), Ordering::Relaxed);
            }
        });
        Self { lowest, watching }
    }

    pub(super) fn lowest(&self) -> usize {
        self.lowest.load(Ordering::Relaxed)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.watching.abort();
    }
}
