//! From nothing to the first record that a broker acknowledges.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;

use super::batch;
use super::client::Client;
use super::produce::{self, Request};
use super::topic;

/// Between two attempts.
const LOOK: Duration = Duration::from_millis(1);

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    address: SocketAddr,
    /// A topic that is made for it.
    #[arg(long)]
    topic: String,
    /// How long the broker is waited for.
    #[arg(long, default_value_t = 60.0)]
    patience_seconds: f64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let began = Instant::now();
    let patience = Duration::from_secs_f64(options.patience_seconds);
    loop {
        match attempt(options) {
            Ok(()) => break,
            Err(error) if began.elapsed() > patience => return Err(error),
            // It is not there yet, or not ready.
            Err(_) => sleep(LOOK),
        }
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    println!("{}", now.as_nanos());
    Ok(())
}

fn attempt(options: &Options) -> anyhow::Result<()> {
    let mut client = Client::connect(options.address)?;
    let name = &options.topic;
    let topic = match topic::find(&mut client, name)? {
        Some(topic) => topic,
        None => {
            topic::make(&mut client, name, 1, &[])?;
            topic::find(&mut client, name)?.context("it has no leader yet")?
        }
    };
    let producer = topic::producer(&mut client)?;
    let batch = batch::batch(producer, produce::now_ms(), [b"first".as_slice()]);
    client.send(Request::new(topic, 0, batch)?.signed(0))?;
    produce::check(client.receive()?)
}
