//! The one binary: reads the command line and runs one command.

// A binary has no outside: here `pub` means out of the module.
#![allow(unreachable_pub)]

mod cli;
mod client;
mod commands;
mod data;
mod descriptors;
mod kafka;
mod plan_file;
mod run_file;
mod session_key;
mod style;
mod table;
mod up;
mod warnings;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// Exit code of a command that failed; a command line that means nothing exits with 2, by clap.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    warnings::show();
    // The guardian is this binary too, and starts before anything else of it does.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == up::GUARDIAN)
    {
        return polity_supervisor::guardian::main();
    }
    let cli = cli::Cli::parse();
    cli.run().unwrap_or_else(|error| fail(&error))
}

/// Says why on standard error, cause by cause. A reader of ours that went away (`polity logs |
/// head`) is no failure worth a word.
fn fail(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return ExitCode::SUCCESS;
    }
    // Some errors say their cause themselves.
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !causes.iter().any(|said| said.contains(&cause)) {
            causes.push(cause);
        }
    }
    // Nobody is left to tell when standard error is gone too.
    let _ = writeln!(io::stderr(), "error: {}", causes.join(": "));
    ExitCode::from(FAILED)
}
