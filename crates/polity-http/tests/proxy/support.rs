//! A proxy with the plainest policy, and the two ends to hold it by.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use polity_http::socket::{Sharing, listen};
use polity_http::{
    Answer, Exchange, Fault, Here, ListenerId, Next, Outcome, Policy, Protocol, Replay,
    RequestHead, ResponseHead, Reuse, Server, Speaks, Target, Timeouts,
};
use polity_runtime::DataPlane;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything takes: a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Forwards everything to `origins`, one attempt after the other down the list.
#[derive(Clone)]
pub(crate) struct Plain {
    pub(crate) origins: Vec<SocketAddr>,
    pub(crate) protocol: Protocol,
    /// What is spoken to the origins.
    pub(crate) speaks: Speaks,
    pub(crate) time_to_answer: Duration,
    pub(crate) outcomes: Arc<Mutex<Vec<Outcome>>>,
    pub(crate) faults: Arc<Mutex<Vec<Fault>>>,
    pub(crate) live: Arc<AtomicUsize>,
    /// Of this address, any number of connections.
    pub(crate) exempt: Option<IpAddr>,
}

pub(crate) struct PlainExchange {
    policy: Rc<RefCell<Plain>>,
    idempotent: bool,
    attempts: usize,
}

impl Drop for PlainExchange {
    fn drop(&mut self) {
        self.policy.borrow().live.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn answer(status: u16, text: &str) -> Answer {
    Answer {
        status,
        fields: b"content-type: text/plain\r\n".to_vec(),
        body: text.as_bytes().to_vec(),
    }
}

fn status_of(fault: &Fault) -> u16 {
    match fault {
        Fault::Head(_) | Fault::Body(_) | Fault::ClientGone => 400,
        Fault::HeadTooLarge => 431,
        Fault::ClientTooSlow => 408,
        Fault::Deadline => 504,
        _ => 502,
    }
}

impl Plain {
    fn exchange(&self, idempotent: bool) -> PlainExchange {
        self.live.fetch_add(1, Ordering::SeqCst);
        PlainExchange {
            policy: Rc::new(RefCell::new(self.clone())),
            idempotent,
            attempts: 0,
        }
    }
}

impl Policy for Plain {
    type Listener = ();
    type Exchange = PlainExchange;

    fn protocol(&self, (): &()) -> Protocol {
        self.protocol
    }

    fn counts(&self, (): &(), peer: IpAddr) -> bool {
        self.exempt != Some(peer)
    }

    fn request(
        &self,
        (): &(),
        _: polity_http::Peer,
        head: &RequestHead<'_>,
        _: Instant,
    ) -> PlainExchange {
        assert_ne!(head.target, PANIC, "on purpose");
        self.exchange(head.method != "POST")
    }

    fn tunnel(&self, (): &(), _: SocketAddr) -> PlainExchange {
        self.exchange(false)
    }

    fn refuse(&self, (): &(), _: SocketAddr, _: &[u8], fault: &Fault) -> Answer {
        self.faults.lock().unwrap().push(fault.clone());
        answer(status_of(fault), &fault.to_string())
    }

    fn tick(&self) {}
}

impl Exchange for PlainExchange {
    fn next(&mut self) -> Result<Target, Here> {
        let policy = self.policy.borrow();
        let address = policy.origins.get(self.attempts).copied();
        let address = address.ok_or_else(|| answer(503, "no origin left"))?;
        self.attempts += 1;
        let reuse = match (self.attempts, self.idempotent) {
            (1, true) => Reuse::Likely,
            (1, false) => Reuse::Certain,
            _ => Reuse::Never,
        };
        Ok(Target {
            address,
            reuse,
            speaks: policy.speaks,
        })
    }

    fn target<'a>(&'a self, head: &RequestHead<'a>) -> &'a str {
        head.target
    }

    fn keeps(&self, name: &str) -> bool {
        !name.eq_ignore_ascii_case("host")
    }

    fn write_fields(&self, head: &RequestHead<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("host: {}\r\n", head.authority).as_bytes());
    }

    fn time_to_answer(&self) -> Option<Duration> {
        Some(self.policy.borrow().time_to_answer)
    }

    fn failed(&mut self, fault: &Fault, replay: Replay) -> Next {
        let policy = self.policy.borrow();
        policy.faults.lock().unwrap().push(fault.clone());
        let safe = match replay {
            Replay::NotSent => true,
            Replay::Held => self.idempotent && *fault != Fault::Deadline,
            Replay::Impossible => false,
        };
        match safe && self.attempts < policy.origins.len() {
            true => Next::Again(Duration::ZERO),
            false => Next::Give(answer(status_of(fault), &fault.to_string())),
        }
    }

    fn answered(&mut self, head: &ResponseHead<'_>, _: Instant) {
        assert_ne!(head.status, PANIC_STATUS, "on purpose");
    }

    fn keeps_of_answer(&self, _: &str) -> bool {
        true
    }

    fn finished(&mut self, outcome: &Outcome) {
        self.policy
            .borrow()
            .outcomes
            .lock()
            .unwrap()
            .push(outcome.clone());
        // One defect seldom comes alone.
        assert_ne!(outcome.fault, Some(Fault::Panicked), "on purpose");
    }
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) policy: Plain,
    pub(crate) server: Server<Plain>,
}

/// Timeouts that no test meets by accident.
pub(crate) fn long() -> Timeouts {
    Timeouts {
        head: PATIENCE * 2,
        ..Timeouts::default()
    }
}

pub(crate) async fn proxy(origins: &[SocketAddr]) -> Proxy {
    proxy_with(origins, Protocol::Http, long(), PATIENCE * 2).await
}

/// A proxy that speaks HTTP/2 to its origins.
pub(crate) async fn http2_proxy(origins: &[SocketAddr]) -> Proxy {
    start(
        Plain {
            speaks: Speaks::Http2,
            ..plain(origins, Protocol::Http, PATIENCE * 2)
        },
        long(),
    )
    .await
}

pub(crate) async fn proxy_with(
    origins: &[SocketAddr],
    protocol: Protocol,
    timeouts: Timeouts,
    time_to_answer: Duration,
) -> Proxy {
    start(plain(origins, protocol, time_to_answer), timeouts).await
}

fn plain(origins: &[SocketAddr], protocol: Protocol, time_to_answer: Duration) -> Plain {
    Plain {
        origins: origins.to_vec(),
        protocol,
        speaks: Speaks::Http1,
        time_to_answer,
        outcomes: Arc::default(),
        faults: Arc::default(),
        live: Arc::default(),
        exempt: None,
    }
}

async fn start(policy: Plain, timeouts: Timeouts) -> Proxy {
    let plane = DataPlane::start(1).unwrap();
    let made = policy.clone();
    let server = Server::start(&plane, timeouts, move || made.clone()).unwrap();
    let socket = listen(([127, 0, 0, 1], 0).into(), Sharing::Exclusive).unwrap();
    let address = socket.local_addr().unwrap();
    server.listen(ListenerId(0), 0, socket, ()).await.unwrap();
    Proxy {
        address,
        policy,
        server,
    }
}

impl Proxy {
    pub(crate) async fn client(&self) -> Peer {
        Peer::new(TcpStream::connect(self.address).await.unwrap())
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.policy.outcomes.lock().unwrap().clone()
    }

    /// Waits until `count` exchanges have ended.
    pub(crate) async fn ended(&self, count: usize) -> Vec<Outcome> {
        until(|| self.outcomes().len() >= count).await;
        self.outcomes()
    }
}

/// Polls `condition` until it holds.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait)
        .await
        .expect("the condition came to hold");
}

/// An origin that a test plays itself.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Origin {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener,
        }
    }

    pub(crate) async fn accept(&self) -> Peer {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        Peer::new(accepted.expect("a connection came").unwrap().0)
    }
}

/// One end of a connection, in the test's hands.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Fails where the other side has gone already, which is for the test to find out.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn more(&mut self) -> bool {
        let mut piece = [0; 65536];
        let read = timeout(PATIENCE, self.stream.read(&mut piece)).await;
        let read = read.unwrap_or_else(|_| {
            panic!(
                "nothing more came after {:?}",
                String::from_utf8_lossy(&self.read)
            )
        });
        let read = read.unwrap_or(0);
        self.read.extend_from_slice(&piece[..read]);
        read > 0
    }

    /// Reads up to and including `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            let at = self
                .read
                .windows(end.len())
                .position(|bytes| bytes == end.as_bytes());
            if let Some(at) = at {
                let rest = self.read.split_off(at + end.len());
                let text = std::mem::replace(&mut self.read, rest);
                return String::from_utf8_lossy(&text).into_owned();
            }
            assert!(
                self.more().await,
                "the connection ended before {end:?}: {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// Reads a head.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads exactly `count` bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(
                self.more().await,
                "the connection ended after {} bytes",
                self.read.len()
            );
        }
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// Reads an answer to [`GET`] from [`OK`]; false when the connection ends before.
    pub(crate) async fn answer_or_end(&mut self) -> bool {
        while !self.read.ends_with(b"ok") {
            if !self.more().await {
                return false;
            }
        }
        self.read.clear();
        true
    }

    /// Reads to the end of the connection; whether that was a reset.
    pub(crate) async fn rest_or_reset(&mut self) -> (Vec<u8>, bool) {
        loop {
            let mut piece = [0; 65536];
            match timeout(PATIENCE, self.stream.read(&mut piece))
                .await
                .expect("an end came")
            {
                Ok(0) => return (std::mem::take(&mut self.read), false),
                Ok(read) => self.read.extend_from_slice(&piece[..read]),
                Err(_) => return (std::mem::take(&mut self.read), true),
            }
        }
    }

    pub(crate) async fn finish_sending(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// A target that is the end of its connection's task.
pub(crate) const PANIC: &str = "/panic";

/// A status that is the same.
pub(crate) const PANIC_STATUS: u16 = 599;

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
