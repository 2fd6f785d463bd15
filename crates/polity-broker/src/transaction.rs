//! Transactions: producers that write to many partitions at once, or to none.
//!
//! ```text
//!            first partition             EndTxn, timeout               markers written
//!   Empty ──────────────────► Ongoing ──┬───────────────► PrepareCommit ─────────────► CompleteCommit
//!     ▲                          ▲      └───────────────► PrepareAbort ──────────────► CompleteAbort
//!     │ InitProducerId           │ first partition of the next                                │
//!     └──────────────────────────┴────────────────────────────────────────────────────────────┘
//! ```
//!
//! [`Coordinator`] is the machine: one for each partition of `__transaction_state`. The point of no
//! return is the record of the prepared state: once it is in the journal, markers are written to all
//! partitions, after a crash too ([`Coordinator::unfinished`]). The caller writes them, **once the
//! journal is durable up to that record**, and then calls [`Coordinator::markers_written`].
//!
//! Of two producers with one transactional id the one with the higher epoch is right; the other is
//! fenced. Sources: KIP-98, KIP-360, KIP-588, KIP-664, KIP-890.

mod add;
mod coordinator;
mod describe;
mod end;
mod error;
mod expire;
mod hanging;
mod init;
mod metadata;
mod producer_ids;
mod record;
pub mod settings;

pub use coordinator::{Context, Coordinator, WriteMarkers};
pub use describe::{Filter, Listed};
pub use end::End;
pub use error::Error;
pub use init::InitProducerId;
pub use metadata::{Metadata, State};
pub use producer_ids::{IdBlocks, ProducerIds};
pub use settings::Settings;

#[cfg(test)]
mod tests;
