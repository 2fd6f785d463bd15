//! Topics by the names that clients write: which are legal, and which are the broker's own.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName as WireName;
use kafka_protocol::protocol::StrBytes;
use polity_core::TopicName;

use crate::errors::Failure;

/// Where consumer groups are kept.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Where transactions are kept.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Whether a topic is the broker's own: clients read it, and nobody else writes to it.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, OFFSETS_TOPIC | TRANSACTIONS_TOPIC)
}

/// Operations on a topic, one bit each by its number in Kafka's `AclOperation`: read, write, create,
/// delete, alter, describe, and describe and alter the configuration. Everybody may do everything.
pub(crate) const OPERATIONS: i32 = 0b1101_1111_1000;

/// A name for a topic of clients.
///
/// # Errors
/// When it is not a legal name.
pub(crate) fn checked(name: &str) -> Result<TopicName, Failure> {
    TopicName::new(name)
        .map_err(|error| Failure::because(ResponseError::InvalidTopicException, error))
}

/// A name as answers carry it.
pub(crate) fn on_wire(name: &TopicName) -> WireName {
    WireName(StrBytes::from_string(name.as_str().to_owned()))
}
