//! Edge and mesh proxying: policies over the data plane.
//!
//! The control side ([`Gateway`], [`Handle`]) turns the plan and the catalog into a snapshot that the
//! data-plane threads read through one atomic pointer. What outlives a snapshot (requests in
//! flight, statistics, retry budgets) is shared by those before and after it, so that a
//! change of one service is nothing to the others.

mod access_log;
mod balancing;
mod bounds;
mod builder;
mod bulkheads;
mod client;
mod compression;
mod cookies;
mod cors;
mod destination;
mod exchange;
mod failures;
mod fields;
mod gateway;
mod grpc;
mod handle;
mod headers;
mod instance;
mod listeners;
mod load_report;
mod moment;
mod overload;
mod plain;
mod policy;
mod probing;
mod problem;
mod redirect;
mod resolve;
mod route_name;
mod service;
mod sessions;
mod site;
mod snapshot;
mod stable_hash;
mod standing;
mod statistics;
mod tls;
mod trace;
mod transcoding;
mod treatment;

pub use gateway::{Config, Drains, Gateway, StartError};
pub use handle::{ApplyError, Handle};
pub use listeners::ListenError;
pub use sessions::SessionKey;
pub use standing::Standing;
pub use statistics::Summary;
pub use tls::{Flaw, Folders, Stretch, TlsError};
