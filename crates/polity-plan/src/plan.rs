//! The plan: what a valid polity.toml says, immutable and complete, with every default filled in.

mod balance;
mod events;
mod gateway;
mod resilience;
mod route;
mod site;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polity_core::{ServiceName, SiteName, TaskName, TopicName};
use polity_resilience::{hedge, outlier};

pub use self::balance::{
    Balance, BalancePolicy, ConsistentHash, HashAlgorithm, HashBy, P2c, Prequal, Sticky,
};
pub use self::events::{
    Broker, Cleanup, Durability, EmbeddedBroker, Events, HostPort, MAX_PARTITIONS, Retention, Topic,
};
pub use self::gateway::{
    Acme, CertificateFiles, ClientCertificates, Coding, Compression, ExternalAccount, Gateway,
    Hsts, Limits, Redirect, Timeouts, Tls,
};
pub use self::resilience::{CircuitBreakers, Idempotent, Retry, RetryPause};
pub use self::route::{Allowed, Cors, HeaderRules, OriginPattern, Route};
pub use self::site::Site;

/// The most instances of one service: a slip of the finger should not start thousands of processes.
pub const MAX_REPLICAS: u32 = 256;

/// The most that a place of a service may weigh.
pub const MAX_WEIGHT: u32 = 65_535;

/// A valid system. Two plans are compared part by part when the file is edited: what is equal is
/// not touched.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The public entry.
    pub gateway: Gateway,
    /// The dashboard's and admin API's listener.
    pub console: Console,
    /// The log of events; none when nothing in the plan asks for it.
    pub events: Option<Events>,
    /// What answers requests or does work, by name.
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// What the gateway serves from folders itself, by name.
    pub sites: BTreeMap<SiteName, Arc<Site>>,
    /// What runs once, by name.
    pub tasks: BTreeMap<TaskName, Arc<Task>>,
    /// Services in the order they start: each group after all it calls; services that call each
    /// other in a circle are one group and start together.
    pub start_order: Vec<Vec<ServiceName>>,
}

/// `[console]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// Where it listens.
    pub listen: ListenAddress,
}

/// "host:port" or ":port".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// None for every address of the machine.
    pub host: Option<IpAddr>,
    /// 0 picks a free one.
    pub port: u16,
}

/// An address range in CIDR form; a bare address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The first address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

/// `[service.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Whether Polity runs it, and how it is reached otherwise.
    pub origin: Origin,
    /// What it speaks to its callers.
    pub protocol: Protocol,
    /// The public routes to it.
    pub routes: Vec<Route>,
    /// The services it may call.
    pub calls: BTreeSet<ServiceName>,
    /// The topics it publishes.
    pub publishes: BTreeSet<TopicName>,
    /// The topics it consumes.
    pub consumes: BTreeSet<TopicName>,
    /// From a request's arrival to the first byte of its answer.
    pub timeout: Duration,
    /// Tries of a request to it.
    pub retry: Retry,
    /// When a second instance is asked too; none for never.
    pub hedge: Option<hedge::Settings>,
    /// Where its descriptors come from, by which JSON is translated for it; none where it is not.
    pub transcode: Option<Transcode>,
    /// When requests to it are refused because they keep failing; none for never.
    pub circuit_breaker: CircuitBreakers,
    /// Which of its instances are left out for a while; none for none.
    pub outlier: Option<outlier::Settings>,
    /// How one of its instances is chosen.
    pub balance: Balance,
    /// Requests from outside in flight at all its instances together, and as many calls; none for
    /// no limit.
    pub max_in_flight: Option<u32>,
    /// Its calls in flight, to all services together; none for no limit.
    pub max_calls_in_flight: Option<u32>,
}

/// Where the descriptors of a gRPC service come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transcode {
    /// Its own server reflection.
    Reflection,
    /// A file as `protoc --include_imports --descriptor_set_out` writes it, relative to the plan.
    File(PathBuf),
}

/// Where a service comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// Polity runs it.
    Run(Arc<Program>),
    /// It runs elsewhere, at these places.
    External(Vec<Upstream>),
}

/// What Polity runs for a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// What makes it, before the first start and on deploy.
    pub build: Option<Command>,
    /// What starts it. `{port}` in a word is the port (`{{port}}`, a literal, is kept as written
    /// here and resolved when it starts).
    pub run: Command,
    /// Where both run: relative to the plan's folder, or absolute.
    pub dir: PathBuf,
    /// How many at once.
    pub replicas: u32,
    /// Where it listens.
    pub port: Port,
    /// How it is known to be ready.
    pub health: HealthCheck,
    /// From exec to ready, at most.
    pub start_timeout: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// How long its checks fail before it is restarted.
    pub restart_after: Duration,
    /// Its own database.
    pub database: Option<Database>,
    /// Further environment; secrets may be among the values.
    pub env: BTreeMap<String, String>,
    /// Paths whose change rebuilds and rolls it: relative to `dir`, or absolute.
    pub watch: Vec<PathBuf>,
    /// Programs it needs besides: where one is not in `PATH`, the service is left out, and that
    /// is said.
    pub requires: Vec<String>,
}

/// A command as words, split as a shell would and run without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; never empty.
    pub words: Vec<String>,
}

/// Where a program listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// On a port Polity chooses and says in `$PORT`.
    Auto,
    /// On this one, whatever it is told.
    Fixed(u16),
    /// Nowhere: it is ready once it has stayed up for a moment.
    None,
}

/// How an instance is known to be ready, and to stay so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What it is asked.
    pub asks: HealthAsks,
    /// From one check to the next, once ready.
    pub interval: Duration,
    /// One check, at most.
    pub timeout: Duration,
}

/// What an instance is asked to know whether it is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthAsks {
    /// Nothing: that it takes a TCP connection is enough.
    Connect,
    /// GET this path, expect 2xx.
    Get(String),
    /// The same over HTTP/2 in the clear.
    GetOverHttp2(String),
    /// gRPC's own check (grpc.health.v1), of the service of this name; an empty one for the whole of it.
    Grpc(String),
}

impl HealthAsks {
    /// As plans say it, near enough; none where they say nothing.
    pub fn shown(&self) -> Option<String> {
        match self {
            Self::Connect => None,
            Self::Get(path) | Self::GetOverHttp2(path) => Some(path.clone()),
            Self::Grpc(service) if service.is_empty() => Some("grpc".to_owned()),
            Self::Grpc(service) => Some(format!("grpc {service}")),
        }
    }
}

/// A service's own database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file Polity makes under the data folder.
    Sqlite,
    /// Somewhere else; the URL may hold a password.
    Url(String),
}

/// What a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: its callers are proxied request by request, as in all that is HTTP.
    Http,
    /// HTTP/2 in the clear, from the first byte on (RFC 9113, section 3.3).
    Http2,
    /// HTTP/2 for requests of gRPC, which is nothing without, and HTTP/1.1 for all others. What is asked
    /// tells which, so that nothing has to be tried, or remembered of an instance that may be another
    /// one after the next deploy.
    Auto,
    /// Anything over TCP: its callers are proxied connection by connection.
    Tcp,
}

impl Protocol {
    /// Whether it is HTTP, of whatever version.
    pub fn is_http(self) -> bool {
        self != Self::Tcp
    }
}

/// One place of an external service: `http://HOST:PORT` or `tcp://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// A host name or an IP address (no brackets).
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Its capacity, beside the others': 1 to [`MAX_WEIGHT`].
    pub weight: u32,
    /// The zone it is in; none counts as the gateway's.
    pub zone: Option<String>,
}

/// `[task.NAME]`: runs to its end before the services it belongs to start or roll.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name.
    pub name: TaskName,
    /// What makes it.
    pub build: Option<Command>,
    /// What it runs.
    pub run: Command,
    /// Where: relative to the plan's folder, or absolute.
    pub dir: PathBuf,
    /// The services that wait for it; it is given the environment of the first.
    pub before: Vec<ServiceName>,
    /// Further environment.
    pub env: BTreeMap<String, String>,
    /// From start to end, at most.
    pub timeout: Duration,
}

impl Service {
    /// What Polity runs for it, if it does.
    pub fn program(&self) -> Option<&Arc<Program>> {
        match &self.origin {
            Origin::Run(program) => Some(program),
            Origin::External(_) => None,
        }
    }
}
