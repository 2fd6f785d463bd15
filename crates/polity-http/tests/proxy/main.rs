//! The data plane over real sockets: raw clients on one side, raw origins on the other.

#![allow(clippy::unwrap_used)]

mod bodies;
// Not every binary that reads the corpus needs all that is said there.
#[allow(dead_code)]
#[path = "../common/corpus.rs"]
mod cases;
mod connections;
mod corpus;
mod cut;
mod desync;
mod endings;
mod half_close;
mod http2_bodies;
mod http2_connections;
mod http2_origin;
mod http2_upgrades;
mod http2_web;
mod interim;
mod limits;
mod reuse;
mod support;
mod timeouts;
mod trailers;
mod upgrades;
