//! The guardian: starts every process of the system, and outlives Polity just long enough to end them all.
//!
//! Whoever kills Polity with -9 kills the only one who knows what it started, and a child's children
//! are nobody's. So Polity starts nothing itself. It re-executes its own binary as the guardian, a
//! small single-threaded process that is *child subreaper*: whatever a service forks, however it
//! daemonises, stays below the guardian in the process tree. Requests and reports pass over a socket
//! pair. The end of the socket is the end of Polity, and the guardian then kills all below it.
//!
//! Should the guardian itself be killed, the same holds one level up: Polity is a subreaper too, so
//! the orphans come to it and are killed, their ends are reported as unknown, and the next launch
//! starts another guardian. And should both be killed in one stroke, the kernel kills every service by
//! its parent-death signal. That signal must be set between fork and exec; each program is
//! therefore started through the same binary once more ([`exec`]), which costs one more exec and
//! needs no unsafe code. It is sound here, as it would not be in Polity: it follows the parent's
//! *thread*, and the guardian has but one.
//!
//! What belongs to a launch is found by its process group, by descent, and by a variable in its
//! environment ([`protocol::LAUNCH_VARIABLE`]) that a daemon which left both still carries, and
//! by its control group where we may make one ([`cgroup`]).

mod cgroup;
mod client;
mod connection;
mod exec;
mod keeper;
mod orphans;
mod process_tree;
mod protocol;
mod socket;

use std::io::Write;
use std::process::ExitCode;

pub use client::{Guardian, GuardianCommand};

/// An argument of [`GuardianCommand`] that has the guardian do without control groups, where the
/// system's administrator wants them left alone.
pub const WITHOUT_CONTROL_GROUPS: &str = "without-control-groups";

/// The guardian's own `main`: for the subcommand that [`GuardianCommand`] names, before anything else
/// of the program runs (no thread, no runtime, no argument parser).
pub fn main() -> ExitCode {
    let last = std::env::args_os().next_back();
    let result = if last.is_some_and(|word| word == exec::ARGUMENT) {
        exec::run()
    } else {
        keeper::run()
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is Polity's own, the only place left to say it.
            let _ = writeln!(std::io::stderr(), "polity: the guardian failed: {error}");
            ExitCode::FAILURE
        }
    }
}
