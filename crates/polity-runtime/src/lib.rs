//! How parts run: drain, named tasks, published snapshots and data-plane threads.

pub mod data_plane;
pub mod drain;
pub mod published;
pub mod task;

pub use data_plane::DataPlane;
pub use drain::{Drain, DrainTrigger};
pub use published::Published;
