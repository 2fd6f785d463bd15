//! The Kafka protocol over the log: topics, consumer groups and transactions inside one process.
//!
//! [`group`] and [`transaction`] are pure: a request, the state and the time come in, a new state,
//! records and answers go out. What they must remember they append to a [`journal`], an internal
//! topic, before they believe it themselves; so a replay of that topic gives the same state.

pub mod group;
pub mod journal;
pub mod now;
pub mod transaction;

pub use journal::{AppendError, Batch, Entry, Journal, ProducerIdentity};
pub use now::Now;
