//! A system of two services that does what a test tells it, and a client that can also misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use polity_console::view::{
    Event, Instance, InstanceState, LogLine, LogRecord, OutputStream, Service, ServiceState,
};
use polity_console::{
    BoxFuture, Console, Done, EventLog, EventQuery, LogQuery, Operation, OperationError,
    ProgressSender, System, Token,
};
use polity_core::ServiceName;
use polity_plan::{
    Balance, Command, Database, Gateway, HealthAsks, HealthCheck, ListenAddress, Origin, Plan,
    Port, Program, Protocol, Retry,
};
use polity_runtime::{DrainTrigger, drain, task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, broadcast};

use crate::topics::FakeLog;

/// How long anything here may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Fake {
    /// Lines printed from now on.
    pub(crate) lines: broadcast::Sender<String>,
    /// What the next operation waits for.
    pub(crate) go: Notify,
    /// The operations that came to their end.
    pub(crate) ended: Mutex<Vec<Operation>>,
    pub(crate) was_shut_down: AtomicBool,
    pub(crate) state: Mutex<ServiceState>,
    pub(crate) replicas: AtomicU32,
    pub(crate) has_events: AtomicBool,
}

impl System for Fake {
    fn plan(&self) -> Arc<Plan> {
        Arc::new(plan())
    }

    fn services(&self) -> BoxFuture<'_, Vec<Service>> {
        let mut orders = service(
            "orders",
            *self.state.lock().expect("no panic under the lock"),
        );
        orders.replicas = Some(self.replicas.load(Ordering::Relaxed));
        Box::pin(async move { vec![service("inventory", ServiceState::Ready), orders] })
    }

    fn operate(
        &self,
        service: ServiceName,
        operation: Operation,
        progress: ProgressSender,
    ) -> BoxFuture<'_, Result<Done, OperationError>> {
        Box::pin(async move {
            match operation {
                Operation::Scale(0) => {
                    return Err(OperationError::Refused(
                        "at least one instance runs".to_owned(),
                    ));
                }
                Operation::Scale(13) => panic!("on purpose"),
                Operation::Restart => return Err(OperationError::Busy(service)),
                _ => {}
            }
            progress.step("building");
            progress.output("Compiling orders");
            self.go.notified().await;
            self.ended
                .lock()
                .expect("no panic under the lock")
                .push(operation);
            match operation {
                Operation::Scale(_) => Err(OperationError::Failed {
                    reason: "orders-3 did not become ready in 10 s".to_owned(),
                    output: vec!["no such table".to_owned()],
                }),
                _ => Ok(Done {
                    message: "orders runs v2".to_owned(),
                    version: Some("v2".into()),
                }),
            }
        })
    }

    fn logs(&self, query: LogQuery) -> BoxStream<'static, LogRecord> {
        let names = query
            .services
            .iter()
            .map(|name| name.to_string())
            .collect::<Vec<_>>();
        let past = (0..query.lines.min(3)).map(move |n| record(format!("{names:?} past {n}")));
        if !query.follow {
            return stream::iter(past).boxed();
        }
        let live = stream::unfold(self.lines.subscribe(), async |mut lines| {
            Some((record(lines.recv().await.ok()?), lines))
        });
        stream::iter(past).chain(live).boxed()
    }

    fn events(&self, query: EventQuery) -> BoxStream<'static, Event> {
        let event = |n| Event {
            at_ms: n,
            kind: "ready".to_owned(),
            service: Some("orders".to_owned()),
            instance: Some("orders-1".to_owned()),
            message: "orders-1 is ready".to_owned(),
            output: Vec::new(),
        };
        stream::iter((0..query.lines.min(2) as u64).map(event)).boxed()
    }

    fn event_log(&self) -> Option<Arc<dyn EventLog>> {
        let has_events = self.has_events.load(Ordering::Relaxed);
        has_events.then(|| Arc::new(FakeLog) as Arc<dyn EventLog>)
    }

    fn shutdown(&self) {
        self.was_shut_down.store(true, Ordering::Relaxed);
    }
}

/// A console over a fake, answering on a free port until dropped or drained.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) token: Token,
    pub(crate) fake: Arc<Fake>,
    pub(crate) trigger: DrainTrigger,
}

pub(crate) fn start() -> Running {
    let fake = Arc::new(Fake {
        lines: broadcast::channel(16).0,
        go: Notify::new(),
        ended: Mutex::default(),
        was_shut_down: AtomicBool::new(false),
        state: Mutex::new(ServiceState::Ready),
        replicas: AtomicU32::new(1),
        has_events: AtomicBool::new(true),
    });
    let token = Token::random().expect("random");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let (console, address) =
        Console::bind(listen, token.clone(), fake.clone()).expect("a free port");
    let (trigger, drain) = drain::channel();
    task::spawn("console", console.run(drain));
    Running {
        address,
        token,
        fake,
        trigger,
    }
}

/// An answer, its body whole and without chunk sizes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let lines = self.body.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON on each line"))
            .collect()
    }
}

impl Running {
    /// A call as a good client makes it.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let token = self.token.secret();
        let head = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        self.raw(method, path, &head, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    /// A call with these header lines only, besides the framing and a `Host`, if they have none.
    pub(crate) async fn raw(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = self.send(method, path, headers, body).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        read.expect("an answer in time").expect("an answer");
        parse(&String::from_utf8(answer).expect("UTF-8"))
    }

    /// Sends a request and leaves the answer to be read.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("listening");
        let host = match headers.contains("host:") {
            true => String::new(),
            false => format!("host: {}\r\n", self.address),
        };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream
    }

    pub(crate) fn authorization(&self) -> String {
        format!("authorization: Bearer {}\r\n", self.token.secret())
    }
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).expect("a status line");
    let head = head.to_ascii_lowercase();
    let body = match head.contains("transfer-encoding: chunked") {
        true => without_chunks(body),
        false => body.to_owned(),
    };
    Answer {
        status: status.parse().expect("a number"),
        head,
        body,
    }
}

fn without_chunks(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
        if size == 0 {
            break;
        }
    }
    whole
}

/// Reads until `text` has come.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut got = String::new();
    let reading = async {
        let mut buffer = [0; 4096];
        while !got.contains(text) {
            let count = stream.read(&mut buffer).await.expect("readable");
            assert_ne!(count, 0, "ended before `{text}`: {got}");
            got.push_str(std::str::from_utf8(&buffer[..count]).expect("UTF-8"));
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("in time");
    got
}

fn record(line: String) -> LogRecord {
    LogRecord::Line(LogLine {
        at_ms: 0,
        service: "orders".to_owned(),
        instance: "orders-1".to_owned(),
        stream: OutputStream::Stdout,
        line,
    })
}

fn service(name: &str, state: ServiceState) -> Service {
    Service {
        name: name.to_owned(),
        state,
        external: false,
        replicas: Some(1),
        scaled: false,
        routes: vec![format!("/{name}")],
        note: None,
        instances: vec![Instance {
            id: format!("{name}-1"),
            service: name.to_owned(),
            state: InstanceState::Ready,
            version: Some("v1".to_owned()),
            pid: Some(1),
            restarts: 0,
            address: Some("127.0.0.1:1".to_owned()),
            uptime_ms: Some(1),
            requests_per_second: None,
            p99_ms: None,
            balance: None,
            note: None,
        }],
    }
}

fn plan() -> Plan {
    let name = |text: &str| ServiceName::new(text).expect("a name");
    let planned = |text: &str| {
        let service = polity_plan::Service {
            name: name(text),
            origin: Origin::Run(Arc::new(program())),
            protocol: Protocol::Http,
            routes: Vec::new(),
            calls: BTreeSet::new(),
            publishes: BTreeSet::new(),
            consumes: BTreeSet::new(),
            timeout: Duration::from_secs(30),
            retry: Retry::default(),
            hedge: None,
            transcode: None,
            circuit_breaker: polity_plan::CircuitBreakers::default(),
            outlier: None,
            balance: Balance::default(),
            max_in_flight: None,
            max_calls_in_flight: None,
        };
        (name(text), Arc::new(service))
    };
    let listen = ListenAddress {
        host: None,
        port: 8080,
    };
    Plan {
        gateway: Gateway {
            listen: listen.clone(),
            ..Gateway::default()
        },
        console: polity_plan::Console { listen },
        events: None,
        services: BTreeMap::from([planned("inventory"), planned("orders")]),
        sites: Default::default(),
        tasks: BTreeMap::new(),
        start_order: vec![vec![name("inventory")], vec![name("orders")]],
    }
}

fn program() -> Program {
    Program {
        build: None,
        run: Command {
            words: vec!["./orders".to_owned()],
        },
        dir: PathBuf::from("."),
        replicas: 1,
        port: Port::Auto,
        health: HealthCheck {
            asks: HealthAsks::Get("/health".to_owned()),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
        },
        start_timeout: Duration::from_secs(10),
        stop_timeout: Duration::from_secs(10),
        restart_after: Duration::from_secs(30),
        database: Some(Database::Url("postgres://app:s3cret@db/orders".to_owned())),
        env: BTreeMap::from([("API_KEY".to_owned(), "s3cret".to_owned())]),
        watch: Vec::new(),
        requires: Vec::new(),
    }
}
