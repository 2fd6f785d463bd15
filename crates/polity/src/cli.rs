//! The command line: what can be typed, and which command it runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    check, deploy, down, events, groups, init, logs, ps, restart, run, scale, schema, topics, up,
};

/// The whole microservices architecture in one binary
#[derive(Debug, Parser)]
#[command(name = "polity", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Print JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,

    /// Where state lives [default: `.polity` beside polity.toml]
    #[arg(long, global = true, value_name = "DIR", env = "POLITY_DATA")]
    pub data: Option<PathBuf>,
}

/// One variant for each command; its arguments and its doing are in its file under `commands/`.
#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Init),
    Up(up::Up),
    Check(check::Check),
    Ps(ps::Ps),
    Logs(logs::Logs),
    Events(events::Events),
    Topics(topics::Topics),
    Groups(groups::Groups),
    Deploy(deploy::Deploy),
    Restart(restart::Restart),
    Scale(scale::Scale),
    Down(down::Down),
    Run(run::Run),
    Schema(schema::Schema),
}

impl Cli {
    /// Runs the command typed.
    pub fn run(&self) -> Result<ExitCode> {
        let global = &self.global;
        match &self.command {
            Command::Init(args) => init::run(args, global),
            Command::Up(args) => up::run(args, global),
            Command::Check(args) => check::run(args, global),
            Command::Ps(args) => ps::run(args, global),
            Command::Logs(args) => logs::run(args, global),
            Command::Events(args) => events::run(args, global),
            Command::Topics(args) => topics::run(args, global),
            Command::Groups(args) => groups::run(args, global),
            Command::Deploy(args) => deploy::run(args, global),
            Command::Restart(args) => restart::run(args, global),
            Command::Scale(args) => scale::run(args, global),
            Command::Down(args) => down::run(args, global),
            Command::Run(args) => run::run(args, global),
            Command::Schema(args) => schema::run(args),
        }
    }
}
