//! `cargo xtask bench broker`: Polity's log of events beside Apache Kafka, under the same client.

mod brokers;
mod consume;
mod flow;
mod goals;
mod kafka;
mod load;
mod nats;
mod polity;
mod produce;
mod report;
mod session;
mod start;
mod workloads;

use std::process::ExitCode;

use session::Session;

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    common: super::Options,
    /// How much there is to consume.
    #[arg(long, default_value_t = GIGABYTES)]
    gigabytes: u64,
}

const GIGABYTES: u64 = 10;

impl Options {
    /// Whether this is all there is to measure: what the page in docs is for.
    fn is_whole(&self) -> bool {
        self.common.is_whole() && self.gigabytes == GIGABYTES
    }
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    Session::begin(options)?.run(options)
}
