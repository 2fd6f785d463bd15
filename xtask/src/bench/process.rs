//! Programs that are started here, pinned to cores, and never outlive the benchmark.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::cpu;

/// From SIGTERM to SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// A program on its way; ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Where its output goes.
    log: PathBuf,
}

/// `program` on `cores`.
pub(super) fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = tied(Path::new("taskset"));
    command.args(["-c", cores]).arg(program);
    command
}

/// `program`, which is told to end when this process dies, however that dies.
pub(crate) fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM"])
        .arg(program)
        .stdin(Stdio::null());
    command
}

impl Process {
    /// Its output goes to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log)?;
        command.stdout(file.try_clone()?).stderr(file);
        Ok(Self {
            child: spawn(&mut command)?,
            log: log.to_owned(),
        })
    }

    /// Its standard output is read here.
    pub(crate) fn start_piped(
        mut command: Command,
        log: &Path,
    ) -> anyhow::Result<(Self, BufReader<ChildStdout>)> {
        command.stdout(Stdio::piped()).stderr(File::create(log)?);
        let mut child = spawn(&mut command)?;
        let output = child.stdout.take().context("no pipe")?;
        let process = Self {
            child,
            log: log.to_owned(),
        };
        Ok((process, BufReader::new(output)))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, to be dropped when it is to end.
    pub(super) fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits until `is_ready`, or until the process has ended.
    pub(crate) fn wait_until(
        &mut self,
        patience: Duration,
        mut is_ready: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        while !is_ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.last_words());
            }
            if began.elapsed() > patience {
                bail!("not ready after {patience:?}: {}", self.last_words());
            }
            sleep(LOOK);
        }
        Ok(())
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The last lines that it wrote.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            _ = kill_process(pid, signal); // It may have ended by itself.
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family = cpu::family(self.pid());
        self.close_input();
        self.send(Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(LOOK);
        }
        // Whatever it started would be left behind by its sudden end.
        for pid in family {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        _ = self.child.wait();
    }
}

/// The first line that it prints.
pub(crate) fn first_line(output: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command
        .spawn()
        .with_context(|| format!("could not run {command:?}"))
}
