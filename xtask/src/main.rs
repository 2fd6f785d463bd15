//! The project's own chores: `cargo xtask TASK`.

#![allow(clippy::print_stdout, clippy::print_stderr)] // It is a program, and talks to people.

mod bench;
mod compat;
mod dist;
mod finding;
mod manifest;
mod page;
mod repository;
mod setup;
mod sim;
mod soak;
mod source;
mod table;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Checks what the compiler does not: layers, purity, file heads, lengths, links and the like.
    Tidy,
    /// Builds the binary to give away: laid out by what it is seen to do under load.
    Dist,
    /// Measures Polity beside other proxies.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Holds the broker against Kafka's other clients.
    Compat(compat::Compat),
    /// Simulates what is not worth a cluster.
    #[command(subcommand)]
    Sim(sim::Sim),
    /// Runs whole the proofs of which the tests run a slice.
    Soak(soak::Soak),
    /// Installs what the end-to-end tests use and this machine lacks.
    Setup,
}

fn main() -> anyhow::Result<ExitCode> {
    match Task::parse() {
        Task::Tidy => tidy::run(),
        Task::Dist => dist::run(),
        Task::Bench(what) => bench::run(&what),
        Task::Compat(what) => compat::run(&what),
        Task::Sim(what) => sim::run(&what),
        Task::Soak(what) => Ok(soak::run(&what)),
        Task::Setup => Ok(setup::run()),
    }
}
