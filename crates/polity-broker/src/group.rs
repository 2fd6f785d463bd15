//! Consumer groups: who consumes which partitions, and how far they have come.
//!
//! [`Coordinator`] is the machine: one for each partition of `__consumer_offsets`. It is told of each
//! request with the time and what else there is outside ([`Context`]), appends what must be remembered
//! and answers. It never waits: JoinGroup and SyncGroup are answered by [`Ticket`] when they can be. Of
//! time it hears when [`Coordinator::next_deadline`] has come and [`Coordinator::expire`] is called.
//! After a start it is replayed what its journal holds, and then is what it was.

mod classic;
mod consumer;
mod context;
mod coordinator;
mod error;
mod id;
mod offsets;
pub mod record;
pub mod settings;

pub use classic::{
    ClassicGroup, Client, Join, JoinRefused, Joined, JoinedMember, Leaving, Sender, State, Sync,
    Synced,
};
pub use consumer::{ConsumerDescription, ConsumerMember, Heartbeat, HeartbeatAnswer};
pub use context::{Answer, Context, Ticket, Topic, Topics};
pub use coordinator::{
    Commit, Coordinator, DescribedMember, Description, GroupType, Listed, NewOffset,
};
pub use error::Error;
pub use id::{GroupId, InstanceId, MemberId, TopicPartition};
pub use offsets::Offsets;
pub use record::Record;
pub use settings::Settings;

#[cfg(test)]
mod tests;
