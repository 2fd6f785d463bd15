//! The measuring instruments of `cargo xtask bench`: they share no code with what they measure.

#![allow(clippy::print_stdout)] // Results go there.

mod http;
mod idle;
mod kafka;
mod load;
mod nats;
mod open_loop;
mod origin;
mod relay;
mod script;
mod server;
mod slow;

use clap::Parser;
use tokio::runtime::Builder;

/// The measuring instruments of `cargo xtask bench`.
#[derive(Parser)]
#[command(name = "polity-bench", version)]
enum Instrument {
    /// Answers requests as fast as it can, or as slowly as it is told; prints its address.
    Origin(origin::Options),
    /// Answers requests as one of a fleet does, its bad days included; prints its address.
    Server(server::Options),
    /// Carries requests to an origin and does nothing else: the kernel's part of what a proxy costs.
    Relay(relay::Options),
    /// Sends requests at fixed times, whatever comes back; prints latencies as JSON.
    OpenLoop(open_loop::Options),
    /// Opens connections that have made one request each, and holds them until its input ends.
    Idle(idle::Options),
    /// Reads a long answer at a fixed pace.
    Slow(slow::Options),
    /// Load for brokers, by Kafka's protocol.
    #[command(subcommand)]
    Kafka(kafka::Command),
    /// Load for NATS JetStream.
    #[command(subcommand)]
    Nats(nats::Command),
    /// Sends a fixed number of requests in a fixed order.
    Script(script::Options),
}

fn main() -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match Instrument::parse() {
        Instrument::Origin(options) => runtime.block_on(origin::run(&options)),
        Instrument::Server(options) => runtime.block_on(server::run(&options)),
        Instrument::Relay(options) => relay::run(&options),
        Instrument::OpenLoop(options) => runtime.block_on(open_loop::run(options)),
        Instrument::Idle(options) => runtime.block_on(idle::run(&options)),
        Instrument::Slow(options) => runtime.block_on(slow::run(&options)),
        Instrument::Kafka(command) => kafka::run(&command),
        Instrument::Nats(command) => nats::run(&command),
        Instrument::Script(options) => script::run(&options),
    }
}
