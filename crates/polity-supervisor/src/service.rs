//! A service that Polity runs: its instances, and the one actor that replaces, adds and stops them.
//!
//! Each instance is a task of its own ([`instance`]) that keeps one process alive and the catalog
//! true about it; the actor ([`actor`]) decides which instances there are, one operation at a
//! time. What both know is written in one place, the [`Board`](status::Board), which is also what
//! people are shown: there is no second state that could disagree.

pub(crate) mod actor;
pub(crate) mod checks;
pub(crate) mod crashes;
pub mod failure;
pub(crate) mod instance;
mod prepare;
pub(crate) mod release;
pub(crate) mod roll;
pub mod status;
pub(crate) mod tail;

pub use failure::Failure;
pub use status::{InstanceState, InstanceStatus, Kind, Operation, ServiceStatus, Stage};
