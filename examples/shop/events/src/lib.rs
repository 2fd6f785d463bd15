//! Events between the shop's services, none lost and none counted twice.
//!
//! A service changes its own database and says so to others. It cannot do both at once, and may die
//! between the two; so what is to be said is written into its database in the same transaction as
//! the change (the transactional outbox), and sent from there until the broker has acknowledged it.
//! An event may thereby be sent twice, and a consumer may be handed one twice: whoever consumes
//! changes its database in a way that the second time changes nothing.

#![allow(clippy::print_stderr, reason = "standard error is the service's log")]
#![allow(missing_docs, reason = "it is a part of the services beside it")]

mod consumer;
mod outbox;

pub use consumer::consume;
pub use outbox::Outbox;

use std::env;

use anyhow::Context;
use rdkafka::ClientConfig;

/// A client of the brokers that Polity names in `$KAFKA_BROKERS`.
fn client() -> anyhow::Result<ClientConfig> {
    let brokers = env::var("KAFKA_BROKERS").context("KAFKA_BROKERS")?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    Ok(config)
}
