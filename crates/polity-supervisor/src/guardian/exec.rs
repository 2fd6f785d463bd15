//! The last step before a program runs: ties its life to the guardian's, then becomes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::protocol::{Failure, Frames, Program, Step, encode};

/// The last argument of the guardian's command that asks for this step.
pub(super) const ARGUMENT: &str = "exec";

/// What the guardian writes to this step's standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Who must still be the parent.
    pub guardian: i32,
    pub program: Program,
    /// The `cgroup.procs` of the control group to enter, where there is one.
    pub cgroup_procs: Option<PathBuf>,
}

/// Reads an [`Order`] from standard input and becomes the program. Standard input is the guardian's socket: its
/// end without a word is success, since `exec` closes it; else a [`Failure`] is written to it.
pub(super) fn run() -> io::Result<()> {
    let mut guardian = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    let order: Order = read_order(&mut guardian)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The guardian may have died before the signal was asked for: then it will never be sent.
    if rustix::process::getppid() != Pid::from_raw(order.guardian) {
        return Err(io::Error::other("the guardian is gone"));
    }
    if let Some(procs) = &order.cgroup_procs {
        // A help for the kill, not a condition of the start. "0" is the writer itself.
        let _ = std::fs::write(procs, "0");
    }
    let failure = become_program(&order.program);
    guardian.write_all(&encode(&failure)?)
}

fn read_order(guardian: &mut UnixStream) -> io::Result<Order> {
    let mut frames = Frames::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = guardian.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        frames.extend(&buffer[..count]);
        if let Some(order) = frames.next()? {
            return Ok(order);
        }
    }
}

/// Comes back only when it fails.
fn become_program(program: &Program) -> Failure {
    if let Err(error) = std::env::set_current_dir(&program.dir) {
        return Failure::new(Step::Directory, &error);
    }
    let Some((name, arguments)) = program.words.split_first() else {
        return Failure::new(Step::Program, &io::ErrorKind::NotFound.into());
    };
    let error = Command::new(name)
        .args(arguments)
        .env_clear()
        .envs(&program.env)
        .exec();
    // For a script whose interpreter is missing, the system says that the script is.
    let step = if error.kind() == io::ErrorKind::NotFound && exists(name, &program.env) {
        Step::Interpreter
    } else {
        Step::Program
    };
    Failure::new(step, &error)
}

fn exists(name: &str, env: &BTreeMap<String, String>) -> bool {
    if name.contains('/') {
        return Path::new(name).exists();
    }
    let path = env.get("PATH").map_or("", String::as_str);
    std::env::split_paths(path).any(|dir| dir.join(name).is_file())
}
