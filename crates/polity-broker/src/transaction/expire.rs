//! What happens to transactions and their ids by time alone.

use std::time::Instant;

use smol_str::SmolStr;

use super::coordinator::{Context, Coordinator};
use super::error::Error;
use super::metadata::State;
use super::record;
use super::settings::ABORT_RETRY;
use crate::journal::Batch;

/// Tombstones appended in one batch.
const TOMBSTONES_PER_BATCH: usize = 1000;

impl Coordinator {
    /// When [`Coordinator::expire`] has something to do, at the earliest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Aborts the transactions that take too long, and fences their producers.
    pub fn expire(&mut self, outside: &mut Context) {
        let now = outside.now.instant;
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<SmolStr> = due.map(|(_, id)| id.clone()).collect();
        for id in due {
            let Some(transaction) = self.ids.get(&id) else {
                continue;
            };
            let metadata = transaction.metadata.clone();
            if self.fence(outside, &id, metadata).is_err() {
                self.postpone(&id, now + ABORT_RETRY);
            }
        }
    }

    /// Forgets the transactional ids that nobody has used for long. To be called every
    /// [`SWEEP_INTERVAL`](super::settings::SWEEP_INTERVAL).
    ///
    /// # Errors
    /// The journal refuses; the next sweep tries again.
    pub fn sweep(&mut self, outside: &mut Context) -> Result<(), Error> {
        let expiration = self.settings.id_expiration.as_millis();
        let expiration = i64::try_from(expiration).unwrap_or(i64::MAX);
        let now = outside.now.unix_ms;
        let is_over = |metadata: &super::Metadata| {
            let idle = now.saturating_sub(metadata.updated_at_ms);
            let at_rest = metadata.state == State::Empty || metadata.state.completed().is_some();
            at_rest && idle >= expiration
        };
        let over = self.ids.iter().filter(|(_, it)| is_over(&it.metadata));
        let over: Vec<SmolStr> = over.map(|(id, _)| id.clone()).collect();
        for ids in over.chunks(TOMBSTONES_PER_BATCH) {
            let entries = ids.iter().map(|id| record::encode(id, None)).collect();
            outside.journal.append(Batch::plain(entries))?;
            ids.iter().for_each(|id| self.forget(id));
        }
        Ok(())
    }
}
