//! Services and their clients as discrete events: no thread, no wall clock, and the same twice for
//! the same seed. `cargo test -p polity-resilience simulation -- --nocapture` prints the figures.

mod false_alarms;
mod overload;
mod scene;
