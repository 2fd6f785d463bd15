//! The data plane over real sockets: raw clients on one side, raw origins on the other.

#![allow(clippy::unwrap_used)]

mod bodies;
mod connections;
mod corpus;
mod desync;
mod endings;
mod half_close;
mod support;
mod timeouts;
mod upgrades;
