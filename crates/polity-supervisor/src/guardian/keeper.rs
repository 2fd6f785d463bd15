//! The guardian process itself: one thread, one loop, nothing that waits on anyone but Polity.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, wait, waitpid,
};
use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::WITHOUT_CONTROL_GROUPS;
use super::cgroup::ControlGroup;
use super::exec::{self, Order};
use super::process_tree::{ProcessTree, kill_all};
use super::protocol::{
    Event, Failure, Frames, LAUNCH_VARIABLE, LaunchId, Program, Request, Step, encode,
};
use super::socket;
use crate::process::Exit;

/// How often what is being ended is looked at again. Only while there is such a thing: at rest the
/// guardian sleeps until it is spoken to or a child ends.
const SETTLE_INTERVAL: Duration = Duration::from_millis(20);

/// From fork to the word on `exec`, at most: a program on a dead network disk must not hold up the rest.
const MAX_EXEC_WAIT: Duration = Duration::from_secs(10);

const READ_SIZE: usize = 32 << 10;

/// Serves Polity over standard input until it is gone; comes back when nothing is left to end.
pub(super) fn run() -> io::Result<()> {
    let polity = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut keeper = Keeper::new(polity)?;
    let served = keeper.serve();
    keeper.end_everything();
    match served {
        // What was on its way when Polity was killed makes its end look like an error.
        Err(error) if is_loss(&error) => Ok(()),
        served => served,
    }
}

struct Keeper {
    polity: UnixStream,
    /// Becomes readable when a child has ended.
    child_ended: UnixStream,
    frames: Frames,
    descriptors: VecDeque<OwnedFd>,
    launches: BTreeMap<LaunchId, Held>,
    control_group: Option<ControlGroup>,
}

/// A launch of which something is left.
struct Held {
    pid: Pid,
    stage: Stage,
    control_group: Option<ControlGroup>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The process runs.
    Running,
    /// It was asked to end.
    Asked,
    /// It was asked to end and has; the rest of its group has until Polity's patience ends.
    Leaving,
    /// All of it is being killed. The process itself may not have been waited for.
    Killed { exited: bool },
}

impl Keeper {
    fn new(polity: UnixStream) -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(getpid()))?;
        // What Polity was given by a careless parent is not the services' either.
        close_fds::set_fds_cloexec(3, &[]);
        let (child_ended, on_child) = UnixStream::pair()?;
        child_ended.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, on_child)?;
        // Ctrl-C and a service manager's SIGTERM are Polity's to act on. Handled, not ignored: a handler
        // is undone by exec, where an ignored signal would stay so in every service.
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        let control_group = if std::env::args_os().any(|word| word == WITHOUT_CONTROL_GROUPS) {
            None
        } else {
            ControlGroup::for_guardian(getpid().as_raw_nonzero().get())
        };
        Ok(Self {
            polity,
            child_ended,
            frames: Frames::default(),
            descriptors: VecDeque::new(),
            launches: BTreeMap::new(),
            control_group,
        })
    }

    /// Until Polity is gone, by whatever end: `Ok` when it closed the socket.
    fn serve(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_SIZE];
        loop {
            let settling = self.launches.values().any(Held::is_ending);
            let spoken_to = self.wait(settling.then_some(SETTLE_INTERVAL))?;
            self.reap()?;
            if spoken_to {
                let count = socket::receive(&self.polity, &mut buffer, &mut self.descriptors)?;
                if count == 0 {
                    return Ok(());
                }
                self.frames.extend(&buffer[..count]);
                while let Some(request) = self.frames.next()? {
                    self.handle(request)?;
                }
            }
            self.settle()?;
        }
    }

    /// Sleeps until Polity speaks (then true), a child has ended, or the time is over.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let mut sources = [
            PollFd::new(&self.polity, PollFlags::IN),
            PollFd::new(&self.child_ended, PollFlags::IN),
        ];
        match poll(&mut sources, timeout.map(timespec).as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let spoken_to = !sources[0].revents().is_empty();
        let mut drained = [0; 64];
        while self
            .child_ended
            .read(&mut drained)
            .is_ok_and(|count| count > 0)
        {}
        Ok(spoken_to)
    }

    fn handle(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Launch { id, program } => {
                let (output, error) = (self.descriptors.pop_front(), self.descriptors.pop_front());
                let (Some(output), Some(error)) = (output, error) else {
                    return Err(io::Error::other("a launch came without its outputs"));
                };
                let event = match self.launch(id, program, [output, error]) {
                    Ok(pid) => Event::Started { id, pid },
                    Err(failure) => Event::Failed { id, failure },
                };
                self.tell(&event)
            }
            Request::Terminate(id) => self.terminate(id),
            Request::Kill(id) => {
                if let Some(held) = self.launches.get_mut(&id) {
                    held.begin_kill();
                }
                Ok(())
            }
        }
    }

    fn launch(
        &mut self,
        id: LaunchId,
        mut program: Program,
        [output, error]: [OwnedFd; 2],
    ) -> Result<u32, Failure> {
        let guardian = getpid().as_raw_nonzero().get();
        let control_group = self.control_group.as_ref();
        let control_group = control_group.and_then(|group| group.child(&id.to_string()));
        program
            .env
            .insert(LAUNCH_VARIABLE.to_owned(), mark(guardian, id));
        let order = Order {
            guardian,
            program,
            cgroup_procs: control_group.as_ref().map(ControlGroup::procs),
        };
        let (socket, input) = UnixStream::pair().map_err(|e| Failure::new(Step::Fork, &e))?;
        let arguments = std::env::args_os().skip(1);
        let child = Command::new("/proc/self/exe")
            .args(arguments)
            .arg(exec::ARGUMENT)
            .stdin(OwnedFd::from(input))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(error))
            .process_group(0)
            .spawn()
            .map_err(|e| Failure::new(Step::Fork, &e))?;
        let pid = Pid::from_child(&child);
        let started = give_order(&socket, &order);
        if let Err(failure) = started {
            // Whatever state it is in: it never became the program.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
            return Err(failure);
        }
        let stage = Stage::Running;
        self.launches.insert(
            id,
            Held {
                pid,
                stage,
                control_group,
            },
        );
        Ok(child.id())
    }

    fn terminate(&mut self, id: LaunchId) -> io::Result<()> {
        let Some(held) = self.launches.get_mut(&id) else {
            return Ok(());
        };
        if held.stage != Stage::Running {
            return Ok(());
        }
        held.stage = Stage::Asked;
        // Running means not waited for, so the number is still this group's.
        let _ = kill_process_group(held.pid, Signal::TERM);
        // Those that left the group are asked as well, each by itself, lest they be killed unasked.
        let own = mark(getpid().as_raw_nonzero().get(), id);
        let group = held.pid.as_raw_nonzero().get();
        for member in ProcessTree::below(getpid())?.outside(group, &own) {
            let _ = kill_process(member, Signal::TERM);
        }
        Ok(())
    }

    /// Waits for all children that have ended: launched ones, and orphans that came to the subreaper.
    fn reap(&mut self) -> io::Result<()> {
        // Err: no child is left.
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let Some((id, held)) = self.launches.iter_mut().find(|(_, held)| held.pid == pid)
            else {
                continue;
            };
            held.stage = match held.stage {
                Stage::Asked | Stage::Leaving => Stage::Leaving,
                // Nobody asked: what its end leaves behind would hold the port against its successor.
                Stage::Running | Stage::Killed { .. } => Stage::Killed { exited: true },
            };
            let event = Event::Exited {
                id: *id,
                exit: exit_of(status),
            };
            self.tell(&event)?;
        }
        Ok(())
    }

    /// Ends what is to be ended and lets go of launches of which nothing is left.
    fn settle(&mut self) -> io::Result<()> {
        if !self.launches.values().any(Held::is_ending) {
            return Ok(());
        }
        let guardian = getpid();
        let tree = ProcessTree::below(guardian)?;
        let mut gone = Vec::new();
        for (id, held) in self.launches.iter().filter(|(_, held)| held.is_ending()) {
            let own = mark(guardian.as_raw_nonzero().get(), *id);
            let group = held.pid.as_raw_nonzero().get();
            let members = tree.members(|other| other == group, |mark| mark == own);
            let populated = held
                .control_group
                .as_ref()
                .is_some_and(ControlGroup::is_populated);
            if members.is_empty() && !populated && held.has_exited() {
                gone.push(*id);
            } else if matches!(held.stage, Stage::Killed { .. }) {
                if let Some(group) = &held.control_group {
                    group.kill();
                }
                kill_all(&members);
            }
        }
        for id in gone {
            self.launches.remove(&id);
            self.tell(&Event::Gone(id))?;
        }
        Ok(())
    }

    /// Polity is gone: so is all it started, at once, however deep it hid.
    fn end_everything(&mut self) {
        for held in self.launches.values().filter(|held| !held.has_exited()) {
            let _ = kill_process_group(held.pid, Signal::KILL);
        }
        loop {
            if let Some(group) = &self.control_group {
                group.kill();
            }
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            match ProcessTree::below(getpid()) {
                Ok(tree) if tree.is_empty() => return,
                Ok(tree) => kill_all(&tree.all()),
                // Without /proc the groups were all that could be reached.
                Err(_) => return,
            }
            let mut source = [PollFd::new(&self.child_ended, PollFlags::IN)];
            let _ = poll(&mut source, Some(&timespec(SETTLE_INTERVAL)));
            let mut drained = [0; 64];
            while self
                .child_ended
                .read(&mut drained)
                .is_ok_and(|count| count > 0)
            {}
        }
    }

    fn tell(&self, event: &Event) -> io::Result<()> {
        (&self.polity).write_all(&encode(event)?)
    }
}

impl Held {
    fn has_exited(&self) -> bool {
        matches!(self.stage, Stage::Leaving | Stage::Killed { exited: true })
    }

    fn is_ending(&self) -> bool {
        matches!(self.stage, Stage::Leaving | Stage::Killed { .. })
    }

    fn begin_kill(&mut self) {
        self.stage = Stage::Killed {
            exited: self.has_exited(),
        };
    }
}

/// Hands the order over and waits for the word on it.
fn give_order(mut socket: &UnixStream, order: &Order) -> Result<(), Failure> {
    let at_fork = |error: io::Error| Failure::new(Step::Fork, &error);
    let frame = encode(order).map_err(at_fork)?;
    socket
        .set_read_timeout(Some(MAX_EXEC_WAIT))
        .map_err(at_fork)?;
    socket.write_all(&frame).map_err(at_fork)?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).map_err(at_fork)?;
    let mut frames = Frames::default();
    frames.extend(&answer);
    match frames.next::<Failure>().map_err(at_fork)? {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn is_loss(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

fn mark(guardian: i32, id: LaunchId) -> String {
    format!("{guardian}.{id}")
}

fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
