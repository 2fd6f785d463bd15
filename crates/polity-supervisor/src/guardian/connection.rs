//! One guardian process and the socket to it, from its start to its loss.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use polity_runtime::task;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use super::client::GuardianCommand;
use super::orphans;
use super::protocol::{Event, Failure, Frames, LaunchId, Request, encode};
use super::socket;
use crate::process::Exit;

const READ_SIZE: usize = 16 << 10;

/// A running guardian. Cheap to clone; the guardian ends, and all it started with it, when
/// [`Connection::close`] is called or the last clone is dropped.
#[derive(Clone)]
pub(super) struct Connection {
    pid: u32,
    launches: Arc<Launches>,
    // Not bounded by itself, but by what is sent: a launch each for the client's permits, then one
    // SIGTERM and one SIGKILL for each launch that runs.
    requests: mpsc::UnboundedSender<Outgoing>,
    ended: watch::Receiver<bool>,
}

/// What is told about a launch, in this order; a dropped sender says that the guardian was lost.
pub(super) struct Reports {
    pub started: oneshot::Receiver<Result<u32, Failure>>,
    pub exited: oneshot::Receiver<Exit>,
    pub gone: watch::Receiver<bool>,
}

struct Outgoing {
    frame: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

#[derive(Default)]
struct Launches(Mutex<Table>);

#[derive(Default)]
struct Table {
    next: LaunchId,
    /// None once the guardian is lost: nothing may be added any more.
    open: Option<BTreeMap<LaunchId, Reporter>>,
    groups: BTreeMap<LaunchId, i32>,
    /// Whether the end of the guardian was asked for.
    closing: bool,
}

struct Reporter {
    started: Option<oneshot::Sender<Result<u32, Failure>>>,
    exited: Option<oneshot::Sender<Exit>>,
    gone: watch::Sender<bool>,
}

impl Connection {
    /// Starts a guardian. Must be called within a tokio runtime.
    pub(super) fn open(command: &GuardianCommand) -> io::Result<Self> {
        // Orphans of a lost guardian come here instead of to init.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let (near, far) = StdUnixStream::pair()?;
        // It writes nothing there, and a descriptor given so needs no number agreed on.
        let held = match &command.holds {
            Some(file) => Stdio::from(file.try_clone()?),
            None => Stdio::null(),
        };
        let child = Command::new(&command.program)
            .arg0("polity")
            .args(&command.args)
            .stdin(OwnedFd::from(far))
            .stdout(held)
            // The terminal's Ctrl-C, and a kill of Polity's group, must not reach it.
            .process_group(0)
            .spawn()?;
        near.set_nonblocking(true)?;
        let socket = Arc::new(UnixStream::from_std(near)?);
        let launches = Arc::new(Launches::default());
        launches.lock().open = Some(BTreeMap::new());
        let (requests, outgoing) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(false);
        let connection = Self {
            pid: child.id(),
            launches: launches.clone(),
            requests: requests.clone(),
            ended,
        };
        task::spawn("guardian requests", send_requests(socket.clone(), outgoing));
        let cancel = requests.downgrade();
        task::spawn("guardian events", async move {
            let cause = receive_events(&socket, &launches, &cancel).await;
            let was_closed = cancel.upgrade().is_none() || launches.lock().closing;
            clean_up(child, &launches, cause, was_closed).await;
            end.send_replace(true);
        });
        Ok(connection)
    }

    /// The guardian's process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks for a launch. None when the guardian is lost.
    ///
    /// # Errors
    /// When what is asked for is too large to be started.
    pub(super) fn launch(
        &self,
        program: super::protocol::Program,
        outputs: [OwnedFd; 2],
    ) -> io::Result<Option<(LaunchId, Reports)>> {
        let (started_sender, started) = oneshot::channel();
        let (exited_sender, exited) = oneshot::channel();
        let (gone_sender, gone) = watch::channel(false);
        let id = self.launches.lock().take_id();
        let frame = encode(&Request::Launch { id, program })?;
        let reporter = Reporter {
            started: Some(started_sender),
            exited: Some(exited_sender),
            gone: gone_sender,
        };
        match self.launches.lock().open.as_mut() {
            Some(open) => open.insert(id, reporter),
            None => return Ok(None),
        };
        let descriptors = outputs.into();
        let sent = self.requests.send(Outgoing { frame, descriptors });
        let reports = Reports {
            started,
            exited,
            gone,
        };
        Ok(sent.is_ok().then_some((id, reports)))
    }

    /// Asks for the end of a launch, one way or the other.
    pub(super) fn signal(&self, request: &Request) {
        send(&self.requests, request);
    }

    /// Whether the guardian is gone; what it left may still be on its way out.
    pub(super) fn is_lost(&self) -> bool {
        self.launches.lock().open.is_none()
    }

    /// Waits until the guardian is gone and all it started with it.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // An error means the runtime is going down: nobody is left to be told.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Tells the guardian to end everything, itself last.
    pub(super) fn close(&self) {
        self.launches.lock().closing = true;
        let _ = self.requests.send(Outgoing::close());
    }
}

impl Outgoing {
    /// An empty frame is never sent: it stands for the end of the stream.
    fn close() -> Self {
        Self {
            frame: Vec::new(),
            descriptors: Vec::new(),
        }
    }
}

impl Launches {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// False when whoever asked for the launch no longer waits for it.
    fn report(&self, event: Event) -> bool {
        let mut table = self.lock();
        let Table { open, groups, .. } = &mut *table;
        let Some(open) = open else { return true };
        match event {
            Event::Started { id, pid } => {
                groups.insert(id, pid.cast_signed());
                let started = open
                    .get_mut(&id)
                    .and_then(|reporter| reporter.started.take());
                started.is_none_or(|started| started.send(Ok(pid)).is_ok())
            }
            Event::Failed { id, failure } => {
                let started = open.remove(&id).and_then(|reporter| reporter.started);
                if let Some(started) = started {
                    let _ = started.send(Err(failure));
                }
                true
            }
            Event::Exited { id, exit } => {
                let exited = open
                    .get_mut(&id)
                    .and_then(|reporter| reporter.exited.take());
                if let Some(exited) = exited {
                    let _ = exited.send(exit);
                }
                true
            }
            Event::Gone(id) => {
                groups.remove(&id);
                if let Some(reporter) = open.remove(&id) {
                    reporter.gone.send_replace(true);
                }
                true
            }
        }
    }
}

impl Table {
    fn take_id(&mut self) -> LaunchId {
        self.next += 1;
        self.next
    }
}

fn send(requests: &mpsc::UnboundedSender<Outgoing>, request: &Request) {
    // These are two numbers each: they always fit. A closed channel is a lost guardian, whose processes
    // are being killed anyway.
    if let Ok(frame) = encode(request) {
        let descriptors = Vec::new();
        let _ = requests.send(Outgoing { frame, descriptors });
    }
}

/// Ends when the last sender is gone, when it is told to close, or with the socket. Then the guardian sees the
/// end of the stream.
async fn send_requests(socket: Arc<UnixStream>, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(Outgoing { frame, descriptors }) = outgoing.recv().await {
        let mut descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut rest = frame.as_slice();
        if rest.is_empty() {
            break;
        }
        while !rest.is_empty() {
            let send = || socket::send(&*socket, rest, &descriptors);
            match socket.async_io(Interest::WRITABLE, send).await {
                Ok(sent) => {
                    rest = &rest[sent..];
                    descriptors.clear();
                }
                // The reader sees the same end and deals with it.
                Err(_) => return,
            }
        }
    }
    let _ = rustix::net::shutdown(&*socket, rustix::net::Shutdown::Write);
}

/// Until the guardian is gone; then why.
async fn receive_events(
    socket: &UnixStream,
    launches: &Launches,
    cancel: &mpsc::WeakUnboundedSender<Outgoing>,
) -> io::Error {
    let mut frames = Frames::default();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        if let Err(error) = socket.readable().await {
            return error;
        }
        match socket.try_read(&mut buffer) {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(count) => frames.extend(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return error,
        }
        loop {
            match frames.next::<Event>() {
                Ok(Some(event)) => {
                    let id = match &event {
                        Event::Started { id, .. } => Some(*id),
                        _ => None,
                    };
                    if !launches.report(event)
                        && let (Some(id), Some(requests)) = (id, cancel.upgrade())
                    {
                        send(&requests, &Request::Kill(id));
                    }
                }
                Ok(None) => break,
                Err(error) => return error,
            }
        }
    }
}

async fn clean_up(mut child: Child, launches: &Launches, cause: io::Error, was_closed: bool) {
    let guardian = child.id();
    let (reporters, groups) = {
        let mut table = launches.lock();
        let groups: BTreeSet<i32> = table.groups.values().copied().collect();
        (table.open.take(), groups)
    };
    if !was_closed {
        tracing::error!(
            guardian, %cause, processes = groups.len(),
            "the guardian process is gone: ending what it ran"
        );
    }
    let swept = tokio::task::spawn_blocking(move || {
        // After the end of a stream it is ending, after an error it may not know that it is.
        if !was_closed {
            child.kill()?;
        }
        child.wait()?;
        orphans::end(guardian, &groups)
    });
    match swept.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(guardian, %error, "could not end what the guardian ran"),
        Err(error) => tracing::error!(guardian, %error, "could not end what the guardian ran"),
    }
    // Only now: whoever hears of the end may start a successor on the same port.
    drop(reporters);
}
