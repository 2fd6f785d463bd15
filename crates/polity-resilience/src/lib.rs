//! What comes of failure and of too much: backoff, retries, breakers, outliers and limits, free of I/O.
//!
//! Time and chance are arguments, so that what only shows after a minute of failures can be tested
//! in microseconds.

pub mod adaptive_limit;
pub mod backoff;
pub mod bulkhead;
pub mod circuit_breaker;
pub mod hedge;
pub mod outlier;
pub mod retry;
pub mod retry_budget;
pub mod room;
pub mod shedder;
mod sliding;

pub use adaptive_limit::{AdaptiveLimit, Overloaded, Priority, Waiting};
pub use backoff::Backoff;
pub use bulkhead::{Bulkhead, Place};
pub use circuit_breaker::CircuitBreaker;
pub use retry_budget::RetryBudget;
pub use room::Room;
pub use shedder::Shedder;
