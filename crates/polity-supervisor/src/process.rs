//! A process as the supervisor sees it, whoever really starts it: the guardian, or a test's stand-in.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Starts processes, each in a process group of its own that does not outlive Polity.
pub trait Host: Send + Sync {
    /// Starts one. The future resolves once the program runs or could not be started.
    fn launch(&self, launch: Launch) -> BoxFuture<'_, Result<Process, LaunchError>>;
}

/// What to start.
pub struct Launch {
    /// The program (looked up in the `PATH` of `env` when it has no slash) and its arguments.
    pub words: Vec<String>,
    /// The working directory, absolute.
    pub dir: PathBuf,
    /// The whole environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Where its output goes.
    pub output: Arc<dyn OutputSink>,
}

/// Takes a process's output, line by line, and never makes the process wait.
pub trait OutputSink: Send + Sync {
    /// One line without its end; at most 64 KiB, invalid UTF-8 replaced.
    fn line(&self, stream: Stream, line: &str);
}

/// Which of a process's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A running process and its group. Dropping it does not stop it.
#[derive(Clone)]
pub struct Process {
    pid: u32,
    exit: watch::Receiver<Option<Exit>>,
    control: Arc<dyn Control>,
}

/// How a host reaches a process it started.
pub trait Control: Send + Sync {
    /// Asks the whole group to end (SIGTERM).
    fn terminate(&self);
    /// Ends the group and every descendant it can find (SIGKILL, cgroup.kill where there is one).
    fn kill(&self);
    /// Waits until nothing of the group is left, which may be after the process itself has ended.
    fn gone(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// How long a killed process may take to be gone. One that waits for a dead disk or network in the
/// kernel takes for ever.
const MAX_KILL_WAIT: Duration = Duration::from_secs(10);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// The host was lost and with it the word of how.
    Unknown,
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no such program.
    #[error("program `{program}` not found{}", if program.contains('/') { "" } else { " in PATH" })]
    NotFound {
        /// As written.
        program: String,
    },
    /// It is there and may not be run, or the directory is missing, or the system has no room.
    #[error("could not start `{program}` in {}", dir.display())]
    System {
        /// As written.
        program: String,
        /// The working directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The guardian is gone.
    #[error("the guardian process is gone, so nothing can be started")]
    HostLost,
}

impl Process {
    /// For hosts: a process whose end will be told through `exit`.
    pub fn new(pid: u32, exit: watch::Receiver<Option<Exit>>, control: Arc<dyn Control>) -> Self {
        Self { pid, exit, control }
    }

    /// The process id, which is the group's as well.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub fn try_exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits for its end. Cancelling it loses nothing.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(Exit::Unknown),
            Err(_) => Exit::Unknown,
        }
    }

    /// Waits until nothing of it is left: its own end, and that of all it started. Cancelling it loses nothing.
    pub async fn gone(&self) -> Exit {
        let exit = self.exited().await;
        self.control.gone().await;
        exit
    }

    /// Asks it and its group to end, and ends what has not after `timeout`. The answer comes when
    /// nothing of it is left; `Exit::Unknown` if even a kill does not end it. Cancelling it after the
    /// first poll leaves the process asked and not yet ended.
    pub async fn stop(&self, timeout: Duration) -> Exit {
        self.control.terminate();
        // The leader may be gone before its children have finished: they have the same time.
        if let Ok(exit) = tokio::time::timeout(timeout, self.gone()).await {
            return exit;
        }
        self.control.kill();
        let killed = tokio::time::timeout(MAX_KILL_WAIT, self.gone()).await;
        killed.unwrap_or_else(|_| self.try_exit().unwrap_or(Exit::Unknown))
    }

    /// Ends it and its descendants at once.
    pub fn kill(&self) {
        self.control.kill();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid)
            .field("exit", &self.try_exit())
            .finish()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(number) => match signal_name(*number) {
                Some(name) => write!(f, "signal {name}"),
                None => write!(f, "signal {number}"),
            },
            Exit::Unknown => write!(f, "an unknown end"),
        }
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return None,
    })
}
