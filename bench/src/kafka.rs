//! Load for brokers, by Kafka's protocol: as lean as a client can be, so that what is measured is the broker.
//!
//! Batches are made once and sent again and again, with a new sequence number and checksum as an idempotent
//! producer gives them; what is read is looked at no further than its batches' headers, but for flows, whose
//! records say when they were due. Each connection has a thread that blocks.

mod batch;
mod client;
mod consume;
mod fetch;
mod first;
mod flow;
mod produce;
mod topic;

use std::net::SocketAddr;

/// What is done to a broker.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Makes a topic, and waits until all of its partitions have a leader.
    Create(topic::Create),
    /// Deletes a topic.
    Delete(topic::Delete),
    /// Produces as fast as it is answered; prints latencies and rates as JSON.
    Produce(produce::Options),
    /// Reads a topic from its beginning; prints rates as JSON.
    Consume(consume::Options),
    /// Produces at a fixed pace while consumers wait for it; prints latencies from one to the other as JSON.
    Flow(flow::Options),
    /// Waits for a broker to come; prints when it had acknowledged a record, in nanoseconds since 1970.
    First(first::Options),
}

/// Which topic of which broker.
#[derive(Debug, Clone, clap::Args)]
struct Target {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    topic: String,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Create(options) => topic::create(options),
        Command::Delete(options) => topic::delete(options),
        Command::Produce(options) => produce::run(options),
        Command::Consume(options) => consume::run(options),
        Command::Flow(options) => flow::run(options),
        Command::First(options) => first::run(options),
    }
}
