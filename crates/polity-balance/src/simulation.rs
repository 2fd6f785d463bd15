//! A discrete-event simulation of balancers and servers: what the algorithms are judged by.
//!
//! Balancers are the real ones, many of them that share nothing, each with statistics of its own;
//! servers have workers, a bounded queue and faults; requests come whatever becomes of earlier ones.
//! Time is virtual, and the same seed gives the same [`Outcome`] to the last bit. What comes from
//! outside (arrivals, the work in each request, the luck it has) follows from the seed alone, so that
//! two contenders have the same requests to carry.
//!
//! Not part of any program that carries requests: tests and `cargo xtask sim balance` have it by the
//! feature `simulation`.

mod cluster;
mod contender;
mod distribution;
pub mod herd;
mod histogram;
pub mod matrix;
pub mod netflix;
mod node;
mod outcome;
mod request;
mod scenario;
mod server;
mod timeline;

#[cfg(test)]
#[path = "simulation_tests.rs"]
mod tests;

pub use contender::{CONTENDERS, Contender, P2C, P2C_WITHOUT_UTILIZATION, USUAL};
pub use distribution::Distribution;
pub use histogram::Histogram;
pub use outcome::{Failures, Outcome, Spread, WINDOWS, Window};
pub use scenario::{Episode, Fault, Scenario, ServerSpec};

/// Simulates `scenario` with `contender` until the last request has ended.
pub fn run(scenario: &Scenario, contender: &Contender, seed: u64) -> Outcome {
    cluster::Cluster::new(scenario, contender, seed).run()
}
