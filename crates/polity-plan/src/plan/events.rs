//! The log of events: who keeps it, and the topics that are made in it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use polity_core::{ByteSize, TopicName};

use crate::plan::ListenAddress;

/// The most partitions of one topic.
pub const MAX_PARTITIONS: u32 = 1000;

/// `[events]` and every `[topic.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Who keeps them.
    pub broker: Broker,
    /// Every topic that the plan names or a service publishes or consumes.
    pub topics: BTreeMap<TopicName, Topic>,
}

/// Who keeps the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// Polity itself.
    Embedded(EmbeddedBroker),
    /// A Kafka cluster elsewhere, at these addresses; never empty.
    Kafka(Vec<HostPort>),
}

/// The broker that Polity runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedBroker {
    /// Where it listens.
    pub listen: ListenAddress,
    /// Where clients are told to find it; none for where it listens.
    pub advertised: Option<HostPort>,
    /// When a record counts as kept.
    pub durability: Durability,
    /// Whether a topic is made when a client first asks for it.
    pub auto_create: bool,
    /// Partitions of a topic that says nothing else.
    pub partitions: u32,
    /// How long records stay in a topic that says nothing else.
    pub retention: Retention,
}

/// When a record counts as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on the disk.
    Fsync,
    /// Once the operating system has it.
    Os,
}

/// `[topic.NAME]`: what is said of it; the rest is as the broker has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    /// How many partitions it has.
    pub partitions: Option<u32>,
    /// How long its records stay.
    pub retention: Option<Retention>,
    /// What each partition keeps, about.
    pub retention_size: Option<ByteSize>,
    /// What becomes of old records.
    pub cleanup: Option<Cleanup>,
    /// A batch of records, at most.
    pub max_message: Option<ByteSize>,
}

/// How long records stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Until they are this old.
    For(Duration),
    /// They are not deleted for their age.
    Forever,
}

/// What becomes of old records (Kafka's `cleanup.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// They are dropped.
    Delete,
    /// The last one of each key stays.
    Compact,
    /// The last one of each key stays until it is too old.
    CompactAndDelete,
}

/// A host name or an IP address (no brackets), and a TCP port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Cleanup {
    /// The word for it, in a plan as in Kafka.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::CompactAndDelete => "compact,delete",
        }
    }

    /// What the word stands for.
    pub fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Delete, Self::Compact, Self::CompactAndDelete];
        all.into_iter().find(|cleanup| cleanup.word() == word)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}
