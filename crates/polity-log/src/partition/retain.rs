//! What time takes away.

use super::{Partition, lock};
use crate::disk::Disk;

/// After this long a producer does not send again what it sent before (Kafka's
/// `producer.id.expiration.ms`).
const PRODUCER_EXPIRATION_MS: i64 = 24 * 60 * 60 * 1000;

impl<D: Disk> Partition<D> {
    /// Does what time makes due.
    pub(crate) fn housekeep(&self) {
        let now_ms = self.now_ms();
        lock(&self.writer)
            .producers
            .expire(now_ms.saturating_sub(PRODUCER_EXPIRATION_MS));
    }
}
