//! The guardian with real processes: what it starts, reports, stops, and never leaves behind.
#![allow(clippy::unwrap_used)]

mod launching;
mod loss;
mod stopping;
mod support;
