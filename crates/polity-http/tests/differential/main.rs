//! The data plane against hyper: what both read must mean the same, or we must have refused it.

#![allow(clippy::unwrap_used)]

mod answers;
#[path = "../common/compose.rs"]
mod compose;
#[path = "../common/corpus.rs"]
mod corpus;
mod early;
#[path = "../common/expected.rs"]
mod expected;
mod hyper;
mod large;
#[path = "../common/memory.rs"]
mod memory;
#[path = "../common/message.rs"]
mod message;
#[path = "../common/network.rs"]
mod network;
mod parsers;
#[path = "../common/policy.rs"]
mod policy;
mod proxy;
#[path = "../common/random.rs"]
mod random;
mod sweeps;
mod tunnels;
#[path = "../common/world.rs"]
mod world;
