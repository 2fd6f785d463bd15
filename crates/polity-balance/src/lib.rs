//! Endpoints and their statistics to a choice.
//!
//! What a choice is made by is shared by every data-plane thread, because a count kept for each
//! thread would let the load on an instance be off by the number of cores. So statistics are atomics
//! on cache lines of their own ([`Endpoint`]), and an algorithm is a function over them that takes no
//! lock and allocates nothing ([`Balancer`]).

pub mod balancer;
mod candidates;
pub mod endpoint;
mod policy;

pub use balancer::{Balancer, Policy};
pub use endpoint::{Endpoint, InFlight};
