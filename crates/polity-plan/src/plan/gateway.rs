//! The public entry: where it listens, what it bounds, what it redirects.

use std::path::PathBuf;
use std::time::Duration;

use polity_core::ByteSize;
use polity_route::{Pattern, Rewrite};

use crate::plan::{ListenAddress, Network};

const PORT: u16 = 8080;
const KIB: u64 = 1024;

/// `[gateway]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    /// The names by which clients know it.
    pub domains: Vec<String>,
    /// Where it listens.
    pub listen: ListenAddress,
    /// Over what it is reached; none for plain HTTP.
    pub tls: Option<Tls>,
    /// What clients have to show, where that is asked for.
    pub client_certificates: Option<ClientCertificates>,
    /// Where plain HTTP is sent to HTTPS from, beside `listen`, which sends it there too.
    pub listen_http: Option<ListenAddress>,
    /// What browsers are told to remember, on answers over HTTPS.
    pub hsts: Option<Hsts>,
    /// Peers whose `x-forwarded-*` and `forwarded` are believed.
    pub trusted_proxies: Vec<Network>,
    /// The zone it is in; none where nobody has said.
    pub zone: Option<String>,
    /// What is compressed on its way.
    pub compress: Compression,
    /// What clients may ask of it.
    pub limits: Limits,
    /// How long it waits.
    pub timeouts: Timeouts,
    /// What is answered with another place.
    pub redirects: Vec<Redirect>,
}

/// `gateway.tls`: where its certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Made here, and signed by an authority of this machine's own.
    Local,
    /// From files; the first is shown to clients that name no host, or none of these.
    Files(Vec<CertificateFiles>),
    /// From an authority that gives one to whoever proves that a domain is theirs (RFC 8555).
    Acme(Acme),
}

/// `gateway.acme`: the authority that certificates for `gateway.domain` come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// Each has a certificate of its own.
    pub domains: Vec<String>,
    /// The URL that it begins with.
    pub directory: String,
    /// Where it may write to.
    pub email: Option<String>,
    /// An account elsewhere, where it asks for one.
    pub eab: Option<ExternalAccount>,
    /// Who vouches for the authority itself; none for those that the system trusts.
    pub roots: Option<PathBuf>,
}

/// `gateway.acme.eab` (RFC 8555, section 7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// What the account is called.
    pub kid: String,
    /// Its key, in base64url.
    pub hmac_key: String,
}

impl std::fmt::Debug for ExternalAccount {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalAccount")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Acme {
    /// Let's Encrypt.
    pub const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
}

/// A certificate on the disk. Relative paths are relative to the plan's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// In PEM, with those that signed it after it.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// `gateway.client_certificates`: clients that prove who they are by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Who signs them, in PEM. A relative path is relative to the plan's folder.
    pub roots: PathBuf,
    /// Whether those are refused that show none.
    pub required: bool,
}

/// `gateway.hsts`: that a host is to be reached by HTTPS alone (RFC 6797).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hsts {
    /// How long browsers remember it.
    pub max_age: Duration,
    /// Whether it holds for all hosts below, too.
    pub subdomains: bool,
    /// Whether browsers' makers may put the host into their own lists.
    pub preload: bool,
}

/// `gateway.compress`: what is compressed on its way to clients that take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    /// Whether answers of services are.
    pub services: bool,
    /// Whether files of sites are.
    pub sites: bool,
    /// By what.
    pub codings: Vec<Coding>,
}

/// A way to compress content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// As HTTP names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// Of services nothing: who can make a client ask, and knows of a secret in the answers, can guess it by their length
/// (BREACH). Files are known to whoever may read them.
impl Default for Compression {
    fn default() -> Self {
        Self {
            services: false,
            sites: true,
            codings: Coding::ALL.to_vec(),
        }
    }
}

/// `[gateway.limits]`; none for no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// A client's connections at once: of one IPv4 address or one IPv6 /64. Trusted proxies are
    /// exempt, as they speak for many.
    pub connections_per_address: Option<u32>,
    /// Requests of one connection, after which it is closed in order.
    pub requests_per_connection: Option<u32>,
    /// Fields in a request's head.
    pub header_count: u32,
    /// Bytes of a request's head, from the method to the empty line.
    pub header_size: ByteSize,
    /// Bytes of a request's body, where a route says nothing else.
    pub body_size: Option<ByteSize>,
    /// Requests from outside that are in flight, over all services and threads.
    pub max_in_flight: Option<u32>,
    /// The part of that, 0 to 1, that one service may fill alone; of the rest it is given no more than
    /// is left free. The same holds for a service's calls.
    pub bulkhead: Option<f64>,
    /// How long requests may wait in line for a data-plane thread, and a few times that in a
    /// service, before new ones are refused.
    pub queue_delay: Option<Duration>,
}

/// `[gateway.timeouts]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From a request's first byte (or from connecting) to the end of its head.
    pub head: Duration,
    /// Between two requests of a connection.
    pub keep_alive: Duration,
    /// Without the client sending a byte of the request's body.
    pub body: Duration,
    /// Without the client taking a byte of the answer.
    pub send: Duration,
    /// Connecting to an instance.
    pub connect: Duration,
    /// Without a byte in either direction, once an answer or a tunnel flows.
    pub idle: Duration,
}

/// One of `[[gateway.redirects]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// What it asks of a request.
    pub pattern: Pattern,
    /// Where to, but for the path: `https://new.example.com`; none for the host the request was for.
    pub origin: Option<String>,
    /// What becomes of the path.
    pub rewrite: Rewrite,
    /// The status code.
    pub status: u16,
}

impl Hsts {
    /// The shortest time that hosts are put into browsers' lists for.
    pub const PRELOAD_AGE: Duration = Duration::from_secs(365 * 86_400);

    /// Whether browsers' makers would take it.
    pub fn may_be_preloaded(&self) -> bool {
        self.subdomains && self.max_age >= Self::PRELOAD_AGE
    }
}

impl Default for Hsts {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(365 * 86_400),
            subdomains: false,
            preload: false,
        }
    }
}

impl Limits {
    /// The most fields of a head that a plan may allow: what the data plane has room for.
    pub const MAX_HEADER_COUNT: u32 = 100;
    /// The longest head that a plan may allow, likewise.
    pub const MAX_HEADER_SIZE: ByteSize = ByteSize(32 * KIB);
    /// The shortest bound on a head: any browser's fits.
    pub const MIN_HEADER_SIZE: ByteSize = ByteSize(KIB);
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            listen: ListenAddress {
                host: None,
                port: PORT,
            },
            tls: None,
            client_certificates: None,
            listen_http: None,
            hsts: None,
            trusted_proxies: Vec::new(),
            zone: None,
            compress: Compression::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            redirects: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_address: Some(1024),
            requests_per_connection: Some(10_000),
            header_count: Self::MAX_HEADER_COUNT,
            header_size: Self::MAX_HEADER_SIZE,
            body_size: None,
            max_in_flight: Some(16_384),
            bulkhead: Some(0.5),
            queue_delay: Some(Duration::from_millis(100)),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body: Duration::from_secs(30),
            send: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(3600),
        }
    }
}
