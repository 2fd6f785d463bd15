//! Polity's side of the guardian: a host that starts processes through it, and another when it is lost.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polity_runtime::task;
use tokio::net::unix::pipe;
use tokio::sync::{Mutex, Semaphore, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::Connection;
use super::protocol::{Failure, LaunchId, Program, Request, Step};
use crate::output;
use crate::process::{
    BoxFuture, Control, Exit, Host, Launch, LaunchError, OutputSink, Process, Stream,
};

/// How many launches may be under way at once; others wait.
const MAX_LAUNCHES: usize = 64;

/// From one guardian's start to the next, at least, after the first loss; doubled by each further one.
const MIN_RESTART_DELAY: Duration = Duration::from_millis(100);

/// And at most.
const MAX_RESTART_DELAY: Duration = Duration::from_secs(10);

/// A guardian that lived this long is not held to have failed at its start.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// How long the end of a process waits for its last output, which a child may hold open for ever.
const MAX_OUTPUT_WAIT: Duration = Duration::from_millis(250);

/// How a guardian is started: a program whose `main` calls [`super::main`] for these arguments.
#[derive(Debug, Clone)]
pub struct GuardianCommand {
    /// The program; `/proc/self/exe` is this one, even when its file has been replaced.
    pub program: PathBuf,
    /// What makes it a guardian. `exec` is put behind it when a program is started.
    pub args: Vec<OsString>,
    /// A file that it keeps open to its end: a lock on it then holds until all that was started is
    /// gone, however Polity ended.
    pub holds: Option<Arc<File>>,
}

/// Starts processes through a guardian. Cheap to clone.
#[derive(Clone)]
pub struct Guardian {
    shared: Arc<Shared>,
}

struct Shared {
    command: GuardianCommand,
    current: Mutex<Current>,
    permits: Semaphore,
}

struct Current {
    connection: Connection,
    started: Instant,
    /// Before the next guardian, from the start of this one.
    delay: Duration,
    /// Whether it was told to end: then there is no next one.
    closed: bool,
}

/// One process's controls.
struct Handle {
    connection: Connection,
    id: LaunchId,
    asked: AtomicBool,
    killed: AtomicBool,
    gone: watch::Receiver<bool>,
}

impl Guardian {
    /// Starts the guardian. Must be called within a tokio runtime, which carries its messages and the output
    /// of the processes.
    ///
    /// Makes this process a child subreaper, so that the orphans of a lost guardian can be found.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: GuardianCommand) -> io::Result<Self> {
        let current = Current {
            connection: Connection::open(&command)?,
            started: Instant::now(),
            delay: MIN_RESTART_DELAY,
            closed: false,
        };
        let shared = Shared {
            command,
            current: Mutex::new(current),
            permits: Semaphore::new(MAX_LAUNCHES),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The guardian's process id; another after a loss.
    pub async fn pid(&self) -> u32 {
        self.shared.current.lock().await.connection.pid()
    }

    /// Ends the guardian and all that still runs, at once, and waits for it. Nothing can be launched
    /// any more. Without it the same happens when this process ends.
    pub async fn close(&self) {
        let connection = {
            let mut current = self.shared.current.lock().await;
            current.closed = true;
            current.connection.clone()
        };
        connection.close();
        connection.ended().await;
    }

    /// The guardian in force, another one if it was lost.
    async fn connection(&self) -> io::Result<Connection> {
        // Held over the wait: whoever else launches needs the same guardian.
        let mut current = self.shared.current.lock().await;
        if current.closed {
            return Err(io::Error::other("it was told to end"));
        }
        if current.connection.is_lost() {
            // What runs of the old one could be in the way of what is launched next.
            current.connection.ended().await;
            sleep_until(current.started + current.delay).await;
            let lived = current.started.elapsed();
            let delay = if lived > SOUND_AFTER {
                MIN_RESTART_DELAY
            } else {
                (current.delay * 2).min(MAX_RESTART_DELAY)
            };
            // Also when it fails: a command that cannot be started is not to be tried in a loop.
            current.started = Instant::now();
            current.delay = delay;
            current.connection = Connection::open(&self.shared.command)?;
            tracing::warn!(
                guardian = current.connection.pid(),
                "started another guardian process"
            );
        }
        Ok(current.connection.clone())
    }

    async fn start_process(&self, launch: Launch) -> Result<Process, LaunchError> {
        let name = launch.words.first().cloned().unwrap_or_default();
        let failed = |source: io::Error| LaunchError::System {
            program: name.clone(),
            dir: launch.dir.clone(),
            source,
        };
        // Never closed.
        let _permit = self.shared.permits.acquire().await;
        let connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::error!(%error, "there is no guardian process to start anything");
                return Err(LaunchError::HostLost);
            }
        };
        let (output, output_end) = output_pipe().map_err(failed)?;
        let (error, error_end) = output_pipe().map_err(failed)?;
        let program = Program {
            words: launch.words.clone(),
            dir: launch.dir.clone(),
            env: launch.env.clone(),
        };
        let asked = connection.launch(program, [output_end, error_end]);
        let Some((id, reports)) = asked.map_err(failed)? else {
            return Err(LaunchError::HostLost);
        };
        let pid = match reports.started.await {
            Ok(Ok(pid)) => pid,
            Ok(Err(failure)) => return Err(launch_error(&launch, failure)),
            Err(_) => return Err(LaunchError::HostLost),
        };
        let readers = [
            read_output(output, Stream::Stdout, &launch.output),
            read_output(error, Stream::Stderr, &launch.output),
        ];
        let (exit, exit_receiver) = watch::channel(None);
        task::spawn("process end", report_end(reports.exited, readers, exit));
        let control = Handle {
            connection,
            id,
            asked: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            gone: reports.gone,
        };
        Ok(Process::new(pid, exit_receiver, Arc::new(control)))
    }
}

impl Host for Guardian {
    fn launch(&self, launch: Launch) -> BoxFuture<'_, Result<Process, LaunchError>> {
        Box::pin(self.start_process(launch))
    }
}

impl Control for Handle {
    fn terminate(&self) {
        if !self.asked.swap(true, Ordering::Relaxed) {
            self.connection.signal(&Request::Terminate(self.id));
        }
    }

    fn kill(&self) {
        // The guardian kills until nothing is left, so that once is enough.
        if !self.killed.swap(true, Ordering::Relaxed) {
            self.connection.signal(&Request::Kill(self.id));
        }
    }

    fn gone(&self) -> BoxFuture<'_, ()> {
        let mut gone = self.gone.clone();
        Box::pin(async move {
            // An error means the guardian was lost, and what it ran was ended first.
            let _ = gone.wait_for(|gone| *gone).await;
        })
    }
}

/// The read end for the runtime, the write end for a program, which expects it to block.
fn output_pipe() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (sender, receiver) = pipe::pipe()?;
    Ok((receiver, sender.into_blocking_fd()?))
}

fn read_output(
    pipe: pipe::Receiver,
    stream: Stream,
    sink: &Arc<dyn OutputSink>,
) -> JoinHandle<Option<()>> {
    task::spawn(
        "process output",
        output::read_lines(pipe, stream, sink.clone()),
    )
}

/// The end is told once the last words are in: they say why.
async fn report_end(
    exited: oneshot::Receiver<Exit>,
    readers: [JoinHandle<Option<()>>; 2],
    report: watch::Sender<Option<Exit>>,
) {
    let exit = exited.await.unwrap_or(Exit::Unknown);
    let [output, error] = readers;
    // Over time, a child of the process holds its output: it goes on being read.
    let _ = timeout(MAX_OUTPUT_WAIT, async { tokio::join!(output, error) }).await;
    report.send_replace(Some(exit));
}

fn launch_error(launch: &Launch, failure: Failure) -> LaunchError {
    let program = launch.words.first().cloned().unwrap_or_default();
    let system = io::Error::from_raw_os_error(failure.errno);
    let source = match failure.step {
        Step::Program if system.kind() == io::ErrorKind::NotFound => {
            return LaunchError::NotFound { program };
        }
        Step::Fork | Step::Program => system,
        Step::Directory => io::Error::new(system.kind(), format!("the directory: {system}")),
        Step::Interpreter => io::Error::new(
            system.kind(),
            "the interpreter named in its first line, or a library it needs, is not there",
        ),
    };
    let dir = launch.dir.clone();
    LaunchError::System {
        program,
        dir,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told_after(reading: [Duration; 2]) -> Duration {
        let (sender, exited) = oneshot::channel();
        let (report, mut end) = watch::channel(None);
        let readers = reading.map(|time| task::spawn("reading", tokio::time::sleep(time)));
        let began = Instant::now();
        task::spawn("end", report_end(exited, readers, report));
        sender.send(Exit::Code(1)).expect("awaited");
        end.wait_for(|end| *end == Some(Exit::Code(1)))
            .await
            .expect("told");
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_told_once_the_output_is_read_or_held_open_too_long() {
        let check = async |reading: [u64; 2], expected: u64| {
            let told = told_after(reading.map(Duration::from_millis)).await;
            assert_eq!(told.as_millis() as u64, expected, "{reading:?}");
        };
        check([0, 0], 0).await;
        check([0, 100], 100).await;
        check([200, 100], 200).await;
        check([3_600_000, 0], 250).await;
    }
}
