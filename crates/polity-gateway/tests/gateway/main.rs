//! The gateway over real sockets: plans and catalogs on one side, clients and origins on the other.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod balancing;
mod bodies;
mod bulkheads;
mod calls;
mod changes;
mod client_certificates;
mod compression;
mod cors;
mod deadlines;
mod errors;
mod failures;
mod fields;
mod grpc;
mod headers;
mod hedging;
mod http2;
mod https_alone;
mod limits;
mod log;
mod overload;
mod redirects;
mod retries;
mod rolls;
mod routes;
mod sessions;
mod sites;
mod support;
mod tls;
mod tls_versions;
