//! How parts run: drain, named tasks, published snapshots, data-plane threads and connections within the machine.

pub mod data_plane;
pub mod drain;
pub mod loopback;
pub mod published;
pub mod task;

pub use data_plane::DataPlane;
pub use drain::{Drain, DrainTrigger};
pub use published::Published;
