//! The data plane against hyper: what both read must mean the same, or we must have refused it.

#![allow(clippy::unwrap_used)]

#[path = "../common/compose.rs"]
mod compose;
// Not every binary that reads the corpus needs all that is said there.
#[allow(dead_code)]
#[path = "../common/corpus.rs"]
mod corpus;
mod hyper;
#[path = "../common/message.rs"]
mod message;
mod parsers;
#[path = "../common/random.rs"]
mod random;
