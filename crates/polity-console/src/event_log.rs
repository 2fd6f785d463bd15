//! What the console needs of the log of events; the binary makes it of a client of the broker's.

use futures_util::stream::BoxStream;

use crate::system::BoxFuture;
use crate::view::{Group, NewRecord, Published, RecordLine, Topic, TopicDescription};

/// The log of events, as the console sees it.
pub trait EventLog: Send + Sync + 'static {
    /// Every topic but the broker's own, by name.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, EventLogError>>;

    /// One topic in detail.
    fn topic(&self, name: String) -> BoxFuture<'_, Result<TopicDescription, EventLogError>>;

    /// Every consumer group with its lag, by name.
    fn groups(&self) -> BoxFuture<'_, Result<Vec<Group>, EventLogError>>;

    /// A topic's committed records and those to come, for as long as it is polled.
    fn tail(
        &self,
        topic: String,
        from: Start,
    ) -> BoxFuture<'_, Result<BoxStream<'static, RecordLine>, EventLogError>>;

    /// Publishes one record, and returns once it is acknowledged.
    fn publish(
        &self,
        topic: String,
        record: NewRecord,
    ) -> BoxFuture<'_, Result<Published, EventLogError>>;
}

/// Where the reading of a topic begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At its first record.
    Beginning,
    /// After its last one.
    Now,
}

/// Why a question to the log of events has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventLogError {
    /// There is no such topic.
    #[error("there is no topic `{0}`: `polity topics` lists those there are")]
    UnknownTopic(String),
    /// The broker said no; says why.
    #[error("{0}")]
    Refused(String),
    /// The broker could not be asked; says why.
    #[error("{0}")]
    Unavailable(String),
}
