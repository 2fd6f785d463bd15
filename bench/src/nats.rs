//! Load for NATS JetStream, by its text protocol: messages that are acknowledged one by one, as it has no batches.

mod client;
mod produce;

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use client::Client;

/// Between two attempts.
const LOOK: Duration = Duration::from_millis(1);

/// What is done to a server.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Makes a stream in files, of the subject of its own name.
    Create(Create),
    /// Deletes a stream.
    Delete(Target),
    /// Publishes as fast as it is acknowledged; prints latencies and rates as JSON.
    Produce(produce::Options),
    /// Waits for a server to come; prints when it had acknowledged a message, in nanoseconds since 1970.
    First(First),
}

/// Which stream of which server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    topic: String,
}

#[derive(clap::Args)]
pub(crate) struct Create {
    #[command(flatten)]
    target: Target,
    /// Streams have none; for likeness with other brokers' loads.
    #[arg(long)]
    partitions: Option<u32>,
}

#[derive(clap::Args)]
pub(crate) struct First {
    #[command(flatten)]
    target: Target,
    /// How long the server is waited for.
    #[arg(long, default_value_t = 60.0)]
    patience_seconds: f64,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Create(options) => create(&options.target),
        Command::Delete(target) => delete(target),
        Command::Produce(options) => produce::run(options),
        Command::First(options) => first(options),
    }
}

fn create(target: &Target) -> anyhow::Result<()> {
    let config = json!({
        "name": target.topic,
        "subjects": [target.topic],
        "retention": "limits",
        "storage": "file",
        "num_replicas": 1,
        "discard": "old",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
    });
    let subject = format!("$JS.API.STREAM.CREATE.{}", target.topic);
    Client::connect(target.address)?.ask(&subject, config.to_string().as_bytes())
}

fn delete(target: &Target) -> anyhow::Result<()> {
    let subject = format!("$JS.API.STREAM.DELETE.{}", target.topic);
    Client::connect(target.address)?.ask(&subject, b"")
}

fn first(options: &First) -> anyhow::Result<()> {
    let began = Instant::now();
    let patience = Duration::from_secs_f64(options.patience_seconds);
    let target = &options.target;
    let attempt = || {
        create(target)?;
        Client::connect(target.address)?.ask(&target.topic, b"first")
    };
    while let Err(error) = attempt() {
        if began.elapsed() > patience {
            return Err(error);
        }
        sleep(LOOK);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    println!("{}", now.as_nanos());
    Ok(())
}
