//! A durable log: topics of partitions of record batches, kept in Kafka's own layout.
//!
//! A [`Log`] is a folder; below it is a folder for each partition, with segment files and sparse
//! indexes that Kafka's own tools read. Batches are kept as producers made them ([`batch`]), appended
//! with their offset put in ([`Partition::append`]), and read as ranges of a file that can go to a
//! socket without being copied ([`Partition::read`]).
//!
//! Nothing here is asynchronous. Who appends has the bytes in the page cache when the call returns;
//! threads of the log's own make them durable, many appends at a time, and then move the partition's high watermark.
//! To wait for that there are [`Partition::committed`], a future, and [`Partition::watch`], for those who
//! wait for several partitions at once; neither needs a certain runtime.
//!
//! The process may die at any instruction and the machine lose power: see [`disk`] for what a disk is
//! trusted with.

pub mod batch;
mod checkpoint;
mod compaction;
mod config;
pub mod disk;
mod error;
mod flusher;
mod id;
mod log;
mod partition;
mod poison;
mod producer;
mod segment;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
#[cfg(test)]
mod testing;
mod topic;
mod transaction;
mod watch;

pub use config::{Cleanup, ConfigError, TopicConfig};
pub use disk::RealDisk;
pub use error::{AppendError, IoError, OpenError, ReadError, TopicError};
pub use id::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
pub use log::{Log, MAX_PARTITIONS, Opened, Settings, Truncated};
pub use partition::{
    AbortedTransaction, Appended, Committed, Durability, Isolation, Offsets, Origin, Partition,
    ProducerSummary, Read, Slice, TimedOffset,
};
pub use topic::Topic;
pub use watch::Watch;
