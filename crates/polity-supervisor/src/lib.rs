//! Processes: build, start, watch, restart, roll and stop.

pub mod process;
