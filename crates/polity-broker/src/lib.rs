//! The Kafka protocol over the log: topics, consumer groups and transactions inside one process.
//!
//! A request comes in on a [`connection`], is held against its [`wire`] shape before anything is
//! decoded, and goes to its file under [`api`].
//!
//! [`group`] and [`transaction`] are pure: a request, the state and the time come in, a new state,
//! records and answers go out. What they must remember they append to a [`journal`], an internal
//! topic, before they believe it themselves; so a replay of that topic gives the same state.

mod api;
mod broker;
mod cluster_id;
mod connection;
mod errors;
mod fetch_sessions;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod group;
mod groups;
mod internal_topic;
pub mod journal;
mod limits;
mod node;
pub mod now;
mod pattern;
mod producer_ids;
mod server;
mod small_file;
#[cfg(test)]
mod testing;
mod topic_index;
mod topics;
pub mod transaction;
mod transactions;
mod wire;

pub use broker::{Advertised, Broker, Config, StartError};
pub use internal_topic::JournalError;
pub use journal::{AppendError, Batch, Entry, Journal, ProducerIdentity};
pub use now::Now;
pub use polity_log::Durability;
