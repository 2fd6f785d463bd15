//! `polity run PART`: one part alone, without a plan.

use std::env;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use polity_broker::{Advertised, Broker, Config};
use polity_plan::MAX_PARTITIONS;
use polity_runtime::{drain, task};

use crate::cli::Global;
use crate::data::DataFolder;
use crate::descriptors;
use crate::up::signals;

/// Where the log lives in the data folder.
const EVENTS: &str = "events";

/// How long clients have to take their last answers, and the log to be closed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Run one part alone
#[derive(Debug, Args)]
pub struct Run {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The log of events, for Kafka clients
    Broker(BrokerArgs),
}

#[derive(Debug, Args)]
struct BrokerArgs {
    /// Where to listen: "host:port" or ":port"
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9092", value_parser = listen_address)]
    listen: SocketAddr,

    /// Where clients are told to come, if not where they came to: "host:port"
    #[arg(long, value_name = "ADDRESS", value_parser = advertised)]
    advertised: Option<Advertised>,

    /// When a record counts: once it is on the disk, or once the operating system has it
    #[arg(long, value_enum, default_value = "fsync")]
    durability: Durability,

    /// How many partitions a topic has that is made without saying so
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PARTITIONS)))]
    partitions: u32,

    /// Do not make topics that clients ask for and nobody has made
    #[arg(long)]
    no_auto_create: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Durability {
    Fsync,
    Os,
}

pub fn run(args: &Run, global: &Global) -> Result<ExitCode> {
    let Part::Broker(broker) = &args.part;
    let here = env::current_dir().context("could not tell the current folder")?;
    let data = DataFolder::locate(global.data.as_deref(), &here)?;
    let _lock = data.open_exclusive()?;
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start a runtime")?;
    runtime.block_on(run_broker(broker, &data, global.json))?;
    Ok(ExitCode::SUCCESS)
}

async fn run_broker(args: &BrokerArgs, data: &DataFolder, json: bool) -> Result<()> {
    let config = Config {
        advertised: args.advertised.clone(),
        durability: match args.durability {
            Durability::Fsync => polity_broker::Durability::Fsync,
            Durability::Os => polity_broker::Durability::Os,
        },
        auto_create_topics: !args.no_auto_create,
        default_partitions: args.partitions,
        ..Config::new(args.listen, data.path().join(EVENTS))
    };
    let broker = Broker::new(config)?;
    say(json, broker.address())?;
    let (trigger, drain) = drain::channel();
    let mut running = task::spawn("broker", broker.run(drain));
    tokio::select! {
        // It ends by itself only when it is broken, and has said why.
        _ = &mut running => {}
        signal = signals::first() => {
            signal?;
            tokio::select! {
                _ = tokio::time::timeout(STOP_TIMEOUT, trigger.drained()) => {}
                () = signals::exit_at_the_next() => {}
            }
        }
    }
    Ok(())
}

/// The one line that a script waits for.
fn say(json: bool, address: SocketAddr) -> Result<()> {
    let mut out = io::stdout();
    match json {
        true => writeln!(
            out,
            "{}",
            serde_json::json!({ "addresses": { "events": address } })
        )?,
        false => writeln!(out, "events on {address}, for Kafka clients")?,
    }
    out.flush()?;
    Ok(())
}

/// Reads "host:port" or ":port", which is every address of this machine.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let expected = || "expected host:port or :port, the host an IP address or localhost".to_owned();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let host = match host {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => return Err(expected()),
    };
    let port = port.parse().map_err(|_| expected())?;
    Ok(SocketAddr::new(host, port))
}

fn advertised(text: &str) -> Result<Advertised, String> {
    let parts = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let parsed = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parsed.ok_or_else(|| "expected host:port".to_owned())?;
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok(Advertised { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let read = |text| listen_address(text).map(|address| address.to_string());
        assert_eq!(read("127.0.0.1:9"), Ok("127.0.0.1:9".to_owned()));
        assert_eq!(read("[::1]:9"), Ok("[::1]:9".to_owned()));
        assert_eq!(read(":9"), Ok("0.0.0.0:9".to_owned()));
        assert_eq!(read("localhost:9"), Ok("127.0.0.1:9".to_owned()));
        assert!(read("9").is_err() && read("example.org:9").is_err());
        let place = advertised("[::1]:9").map(|it| (it.host, it.port));
        assert_eq!(place, Ok(("::1".to_owned(), 9)));
        assert!(advertised(":9").is_err());
    }
}
