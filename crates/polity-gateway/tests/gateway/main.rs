//! The gateway over real sockets: plans and catalogs on one side, clients and origins on the other.

#![allow(clippy::unwrap_used)]

mod calls;
mod changes;
mod errors;
mod fields;
mod log;
mod retries;
mod routes;
mod support;
