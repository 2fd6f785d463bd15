//! polity.toml to [`Plan`]: parsing with spans, every validation, every lint, and the schema.
//!
//! A file goes through five steps, each of which reports all it finds:
//!
//! 1. `tree`: TOML to a tree with places, `${VAR}` interpolated;
//! 2. `conform`: the tree against the descriptors: keys, types, values;
//! 3. `decode`: the tree to a draft of the plan;
//! 4. `check`: what parts of the draft say about each other;
//! 5. `lint`: what is allowed, and risky.

pub mod availability;
pub mod code;
pub mod diagnostic;
pub mod dotenv;
pub mod load;
pub mod plan;
pub mod render;
pub mod schema;

mod address;
mod check;
mod command;
mod conform;
mod decode;
mod descriptor;
mod draft;
mod graph;
mod interpolate;
mod lint;
mod mask;
mod origin;
#[cfg(test)]
mod reference;
mod tree;

pub use availability::{RouteAvailability, SERVICE_AVAILABILITY};
pub use code::{Code, explain};
pub use diagnostic::{Diagnostic, Label, MAX_DIAGNOSTICS, Severity, Span};
pub use load::{Loaded, MAX_PLAN_BYTES, Source, load};
pub use plan::{
    Acme, Allowed, Balance, BalancePolicy, Broker, CertificateFiles, CircuitBreakers, Cleanup,
    ClientCertificates, Coding, Command, Compression, ConsistentHash, Console, Cors, Database,
    Durability, EmbeddedBroker, Events, ExternalAccount, Gateway, HashAlgorithm, HashBy,
    HeaderRules, HealthAsks, HealthCheck, HostPort, Hsts, Idempotent, Limits, ListenAddress,
    MAX_PARTITIONS, MAX_REPLICAS, MAX_WEIGHT, Network, Origin, OriginPattern, P2c, Plan, Port,
    Prequal, Program, Protocol, Redirect, Retention, Retry, RetryPause, Route, Service, Site,
    Sticky, Task, Timeouts, Tls, Topic, Transcode, Upstream,
};
pub use render::{Located, Style, locate, render};
pub use schema::schema;
