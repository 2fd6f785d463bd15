//! A connection in memory, on a clock that stands still until it is waited for.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::sync::{Notify, mpsc};

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::group::{Group, join};
use crate::policy::{
    Abandoned, Answer, Exchange, Fault, Found, Here, Next, Outcome, Policy, Protocol, Racer,
    Replay, Reuse, Speaks, Target,
};
use crate::stream::{Dial, Stream, Watch};
use crate::worker::Worker;
use crate::{RequestHead, ResponseHead, Timeouts};

/// Bytes of a connection's task with this small policy. Ten thousand idle ones cost ten thousand
/// times that: what is rare is boxed, and what is moved is moved once.
const MAX_TASK: usize = 1616;

/// What a stream holds in each direction.
const CAPACITY: usize = 64;

/// An address where connecting never comes to an end.
pub(super) const NEVER: u16 = 1;
/// An address that refuses.
pub(super) const REFUSED: u16 = 2;
/// An address for which there is no file descriptor left.
pub(super) const EXHAUSTED: u16 = 4;
/// An address with an origin.
pub(super) const ORIGIN: u16 = 3;

/// The proxy's end of a stream.
pub(crate) struct Memory {
    stream: DuplexStream,
    peeked: Option<u8>,
    broken: Rc<Notify>,
}

/// The other end of one.
pub(crate) struct Peer {
    pub(crate) stream: DuplexStream,
    pub(super) broken: Rc<Notify>,
}

/// Both ends of one.
pub(crate) fn pair() -> (Memory, Peer) {
    let (near, far) = duplex(CAPACITY);
    let broken = Rc::new(Notify::new());
    let memory = Memory {
        stream: near,
        peeked: None,
        broken: broken.clone(),
    };
    let stream = far;
    (memory, Peer { stream, broken })
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(byte) = self.peeked.take() {
            buffer.put_slice(&[byte]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Stream for Memory {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.peeked.is_none() {
            let mut byte = [0];
            let mut buffer = ReadBuf::new(&mut byte);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            self.peeked = buffer.filled().first().copied();
        }
        Poll::Ready(Ok(()))
    }

    fn is_stale(&self) -> bool {
        false
    }

    fn looks_stale(&self) -> bool {
        false
    }

    fn watch(&self) -> Watch {
        let broken = self.broken.clone();
        Box::pin(async move { broken.notified().await })
    }

    fn reset_on_close(&self) {}
}

/// Connects to origins that the test plays.
#[derive(Clone)]
pub(super) struct MemoryDial(mpsc::UnboundedSender<Peer>);

impl Dial for MemoryDial {
    type Stream = Memory;

    async fn dial(&self, address: SocketAddr) -> io::Result<Memory> {
        match address.port() {
            NEVER => std::future::pending().await,
            EXHAUSTED => Err(rustix::io::Errno::MFILE.into()),
            REFUSED => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => {
                let (memory, peer) = pair();
                self.0.send(peer).expect("the test waits for it");
                Ok(memory)
            }
        }
    }
}

/// Which of two attempts were lost and why, or won.
type Races = Rc<RefCell<Vec<(Racer, Option<Fault>)>>>;

/// What is heard of attempts that were let go of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Answered(u16),
    Failed(Fault),
    Dropped,
}

/// An attempt that was let go of.
struct Left {
    ends: Rc<RefCell<Vec<End>>>,
    matters: Rc<Cell<bool>>,
}

impl Abandoned for Left {
    fn matters(&self) -> bool {
        self.matters.get()
    }

    fn answered(&mut self, head: &ResponseHead<'_>, _: Instant) {
        self.ends.borrow_mut().push(End::Answered(head.status));
    }

    fn failed(&mut self, fault: &Fault, _: Instant) {
        self.ends.borrow_mut().push(End::Failed(fault.clone()));
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.ends.borrow_mut().push(End::Dropped);
    }
}

/// Goes down a list of ports, and pauses after each that fails.
#[derive(Clone, Default)]
pub(super) struct Script {
    pub(super) ports: Vec<u16>,
    pub(super) pause: Duration,
    pub(super) time_to_answer: Option<Duration>,
    pub(super) time_to_attempt: Option<Duration>,
    /// Whether kept connections will do.
    pub(super) reuses: bool,
    /// After how long there is a second attempt, and its port; none for none after all.
    pub(super) hedge: Option<(Duration, Option<u16>)>,
    pub(super) races: Races,
    /// What makes an answer with a file, where that is what there is.
    pub(super) file: Option<Rc<dyn Fn() -> Found>>,
    /// What attempts that are let go of came to, where they are followed.
    pub(super) ends: Option<Rc<RefCell<Vec<End>>>>,
    /// Whether that matters to anybody.
    pub(super) matters: Rc<Cell<bool>>,
    /// A status that is not accepted, and wins no race.
    pub(super) unwanted: Option<u16>,
    /// The statuses that were asked about.
    pub(super) asked: Rc<RefCell<Vec<u16>>>,
    pub(super) outcomes: Rc<RefCell<Vec<Outcome>>>,
    /// What could be said of the request after each attempt that failed.
    pub(super) replays: Rc<RefCell<Vec<Replay>>>,
}

pub(super) struct Scripted {
    script: Rc<Script>,
    attempts: usize,
}

fn answer(status: u16) -> Answer {
    Answer {
        status,
        fields: Vec::new(),
        body: Vec::new(),
    }
}

fn target(port: u16) -> Target {
    Target {
        address: ([127, 0, 0, 1], port).into(),
        reuse: Reuse::Never,
        speaks: Speaks::Http1,
    }
}

impl Policy for Script {
    type Listener = ();
    type Exchange = Scripted;

    fn protocol(&self, (): &()) -> Protocol {
        Protocol::Http
    }

    fn request(
        &self,
        (): &(),
        _: crate::policy::Peer,
        _: &RequestHead<'_>,
        _: Instant,
    ) -> Scripted {
        Scripted {
            script: Rc::new(self.clone()),
            attempts: 0,
        }
    }

    fn tunnel(&self, (): &(), _: SocketAddr) -> Scripted {
        unreachable!("no connection here is one")
    }

    fn refuse(&self, (): &(), _: SocketAddr, _: &[u8], _: &Fault) -> Answer {
        answer(400)
    }

    fn tick(&self) {}
}

impl Exchange for Scripted {
    fn next(&mut self) -> Result<Target, Here> {
        if let Some(file) = &self.script.file {
            let found = file();
            return Err(Here::Later(Box::pin(async move { found })));
        }
        let port = self.script.ports.get(self.attempts).copied();
        self.attempts += 1;
        let mut target = port.map(target).ok_or_else(|| answer(503))?;
        if self.script.reuses {
            target.reuse = Reuse::Likely;
        }
        Ok(target)
    }

    fn target<'a>(&'a self, head: &RequestHead<'a>) -> &'a str {
        head.target
    }

    fn keeps(&self, _: &str) -> bool {
        true
    }

    fn write_fields(&self, _: &RequestHead<'_>, _: &mut Vec<u8>) {}

    fn time_to_answer(&self) -> Option<Duration> {
        self.script.time_to_answer
    }

    fn time_to_attempt(&self) -> Option<Duration> {
        self.script.time_to_attempt
    }

    fn time_to_hedge(&mut self) -> Option<Duration> {
        self.script.hedge.map(|(after, _)| after)
    }

    fn hedge(&mut self) -> Option<Target> {
        let (_, port) = self.script.hedge?;
        Some(target(port?))
    }

    fn wins(&mut self, racer: Racer, head: &ResponseHead<'_>, _: Instant) -> bool {
        let wins = self.script.unwanted != Some(head.status);
        if wins {
            self.script.races.borrow_mut().push((racer, None));
        }
        wins
    }

    fn abandon(&mut self) -> Option<Box<dyn Abandoned>> {
        Some(Box::new(Left {
            ends: self.script.ends.clone()?,
            matters: self.script.matters.clone(),
        }))
    }

    fn lost(&mut self, racer: Racer, fault: &Fault) {
        let mut races = self.script.races.borrow_mut();
        races.push((racer, Some(fault.clone())));
    }

    fn accepts(&mut self, head: &ResponseHead<'_>, _: Replay) -> bool {
        self.script.asked.borrow_mut().push(head.status);
        self.script.unwanted != Some(head.status)
    }

    fn failed(&mut self, fault: &Fault, replay: Replay) -> Next {
        self.script.replays.borrow_mut().push(replay);
        let status = match fault {
            Fault::ClientTooSlow => 408,
            Fault::AttemptDeadline | Fault::Deadline | Fault::ConnectTimeout => 504,
            _ => 502,
        };
        match replay {
            Replay::Impossible => Next::Give(answer(status)),
            _ if self.attempts == self.script.ports.len() => Next::Give(answer(status)),
            _ => Next::Again(self.script.pause),
        }
    }

    fn answered(&mut self, _: &ResponseHead<'_>, _: Instant) {}

    fn keeps_of_answer(&self, _: &str) -> bool {
        true
    }

    fn finished(&mut self, outcome: &Outcome) {
        self.script.outcomes.borrow_mut().push(outcome.clone());
    }
}

/// A connection being served, and the origins that it connects to.
pub(super) struct Served {
    pub(super) client: Peer,
    pub(super) origins: mpsc::UnboundedReceiver<Peer>,
    pub(super) outcomes: Rc<RefCell<Vec<Outcome>>>,
    pub(super) replays: Rc<RefCell<Vec<Replay>>>,
    pub(super) asked: Rc<RefCell<Vec<u16>>>,
    pub(super) races: Races,
}

/// Serves a connection whose requests go to `ports`, one after the other. Within a `LocalSet`.
pub(super) fn serve(ports: &[u16], pause: Duration, time_to_answer: Option<Duration>) -> Served {
    serve_script(Script {
        ports: ports.to_vec(),
        pause,
        time_to_answer,
        ..Script::default()
    })
}

/// The same, for any script.
pub(super) fn serve_script(script: Script) -> Served {
    let outcomes = script.outcomes.clone();
    let replays = script.replays.clone();
    let asked = script.asked.clone();
    let races = script.races.clone();
    let (sender, origins) = mpsc::unbounded_channel();
    let worker = Worker::new(script, MemoryDial(sender), Timeouts::default(), 8);
    let worker = Rc::new(worker);
    let (stream, client) = pair();
    let mut connection = Connection {
        member: join(&worker, &Rc::new(Group::default()), None),
        worker,
        listener: (),
        peer: ([127, 0, 0, 1], 9).into(),
        stream,
        deadline: Deadline::default(),
        half_closed: None,
    };
    let serving = async move { connection.serve().await };
    let size = size_of_val(&serving);
    assert!(size <= MAX_TASK, "a connection's task has {size} bytes");
    tokio::task::spawn_local(serving);
    Served {
        client,
        origins,
        outcomes,
        replays,
        asked,
        races,
    }
}

impl Served {
    pub(super) async fn origin(&mut self) -> Peer {
        self.origins.recv().await.expect("it connects")
    }

    /// How the only request ended.
    pub(super) fn fault(&self) -> Option<Fault> {
        let outcomes = self.outcomes.borrow();
        assert_eq!(outcomes.len(), 1);
        outcomes[0].fault.clone()
    }
}

impl Peer {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("open");
    }

    /// The same, unless nobody is there any more.
    pub(super) async fn send_if_open(&mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    /// Reads up to and including `end`, or to the end of all.
    pub(super) async fn until(&mut self, end: &str) -> String {
        let mut read = String::new();
        while !read.ends_with(end) {
            match self.stream.read_u8().await {
                Ok(byte) => read.push(byte.into()),
                Err(_) => break,
            }
        }
        read
    }

    /// The next byte; none at the end.
    pub(super) async fn byte(&mut self) -> Option<u8> {
        self.stream.read_u8().await.ok()
    }

    pub(super) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    pub(super) async fn finish_sending(&mut self) {
        self.stream.shutdown().await.expect("open");
    }

    /// Ends its sending, which is known to be the end of all.
    pub(super) async fn close_and_break(&mut self) {
        self.finish_sending().await;
        self.broken.notify_one();
    }
}
