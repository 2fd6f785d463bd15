//! A small client of Kafka's protocol: what `polity` itself asks a broker, its own or another.
//!
//! It asks for the versions that Apache Kafka serves from 2.4 on and still serves, so that it need
//! not negotiate. Every question has connections of its own: they are seldom asked.

mod cluster;
mod compression;
mod connection;
mod groups;
mod publish;
mod reconcile;
mod records;
mod tail;
mod topics;

use std::io;

use kafka_protocol::ResponseError;
use polity_console::EventLogError;

pub use reconcile::{Changed, reconcile};

/// The brokers to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kafka {
    /// Where they are, `host:port`; any of them knows the others.
    pub brokers: Vec<String>,
}

/// Why a broker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or does not answer.
    #[error("the Kafka broker at {address} does not answer")]
    Unreachable {
        address: String,
        #[source]
        source: io::Error,
    },
    /// Its answer makes no sense.
    #[error("the broker at {address} does not speak Kafka's protocol as expected: {what}")]
    Nonsense { address: String, what: String },
    /// It has no such topic.
    #[error("there is no topic `{0}`")]
    UnknownTopic(String),
    /// It said no.
    #[error("the broker refuses {what}: {why}")]
    Refused { what: String, why: String },
}

impl Error {
    /// What an error code and its message say of `what` that was asked, unless all is well.
    fn check(code: i16, message: Option<&str>, what: impl FnOnce() -> String) -> Result<(), Self> {
        let Some(error) = ResponseError::try_from_code(code) else {
            return Ok(());
        };
        Err(Self::Refused {
            what: what(),
            why: message.map_or_else(|| error.to_string(), str::to_owned),
        })
    }
}

impl From<Error> for EventLogError {
    fn from(error: Error) -> Self {
        match error {
            Error::UnknownTopic(name) => Self::UnknownTopic(name),
            Error::Refused { .. } => Self::Refused(error.to_string()),
            Error::Unreachable { ref source, .. } => {
                Self::Unavailable(format!("{error}: {source}"))
            }
            Error::Nonsense { .. } => Self::Unavailable(error.to_string()),
        }
    }
}
