//! `cargo xtask bench`: Polity beside other proxies, on the same requests and one core.

mod broker;
pub(crate) mod build;
mod callgrind;
mod closed_loop;
pub(crate) mod contenders;
mod cpu;
mod deploy;
mod figures;
mod fleet;
mod goals;
mod ground;
mod growth;
mod idle;
mod latency;
mod machine;
mod open_loop;
mod overload;
mod peers;
pub(crate) mod process;
mod report;
mod session;
mod slow_reader;
mod topology;
mod workloads;
mod wrk;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use machine::find;
use session::Session;

/// What to measure.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// Polity's gateway beside the proxies that are installed: CPU per request, latency, memory.
    Gateway(Options),
    /// Polity's balancing beside that of nginx and HAProxy, before servers that have bad days.
    Balance(Options),
    /// Polity's broker beside Apache Kafka: records and bytes per CPU second, latency, start, memory.
    Broker(broker::Options),
    /// The shop of the examples under load while it is deployed: what the new instances get, and p99.
    Deploy(deploy::Options),
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// One short round: enough to see that everything runs.
    #[arg(long)]
    quick: bool,
    /// Counts instructions per request instead of measuring time: for Polity and, where it is there, nginx.
    #[arg(long)]
    callgrind: bool,
    /// Only these workloads; of balancers, only those with this in their name.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD")]
    only: Vec<String>,
    /// Only these peers, or `floor`; all that are installed and the floor, if not given.
    #[arg(long, value_delimiter = ',', value_name = "PEER")]
    peers: Option<Vec<String>>,
    /// How often each contender has its turn.
    #[arg(long)]
    rounds: Option<usize>,
    /// Measures what `cargo xtask dist` makes instead of `cargo build --release`.
    #[arg(long)]
    dist: bool,
    /// Measures this binary of Polity instead of building one.
    #[arg(long, value_name = "FILE", conflicts_with = "dist")]
    polity: Option<PathBuf>,
    /// Where the figures go, if not to `target/bench`.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Options {
    /// Whether this is all there is to measure, of what is checked out: what the page in docs is for.
    fn is_whole(&self) -> bool {
        let parts = [
            self.quick,
            !self.only.is_empty(),
            self.peers.is_some(),
            self.polity.is_some(),
        ];
        parts == [false; 4]
    }
}

pub(crate) fn run(bench: &Bench) -> anyhow::Result<ExitCode> {
    let options = match bench {
        Bench::Gateway(options) => options,
        Bench::Balance(options) => return fleet::run(options),
        Bench::Broker(options) => return broker::run(options),
        Bench::Deploy(options) => return deploy::run(options),
    };
    let session = Session::begin(options)?;
    if options.callgrind {
        callgrind::run(&session, options)?;
        return Ok(ExitCode::SUCCESS);
    }
    session.run(options)
}
