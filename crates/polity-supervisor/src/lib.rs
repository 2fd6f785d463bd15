//! Processes: build, start, watch, restart, roll and stop.

pub mod build;
pub mod environment;
pub mod event;
pub mod guardian;
pub mod health;
pub mod output;
pub mod ports;
pub mod process;
pub mod service;
#[cfg(test)]
mod simulation;
pub mod supervisor;
mod task;
mod watch;

pub use supervisor::{Applied, CommandError, Config, Handle, Supervisor};
