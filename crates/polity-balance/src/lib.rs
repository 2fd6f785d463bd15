//! Endpoints and their statistics to a choice.
//!
//! What a choice is made by is shared by every data-plane thread, because a count kept for each
//! thread would let the load on an instance be off by the number of cores. So statistics are atomics
//! on cache lines of their own ([`Endpoint`]), and an algorithm is a function over them that takes no
//! lock and allocates nothing ([`Balancer`]). What can be prepared for the endpoints there are is
//! prepared once ([`Roster`]).

pub mod balancer;
mod candidates;
pub mod endpoint;
pub mod latency;
mod mean_load;
mod moment;
mod outage;
mod policy;
mod probes;
#[cfg(test)]
#[path = "properties_tests.rs"]
mod properties;
mod ramp;
mod rank;
pub mod roster;
mod settings;
mod signal;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
#[cfg(test)]
mod testing;
mod weights;

pub use balancer::{Ask, Balancer};
pub use endpoint::{Endpoint, EndpointSpec, InFlight, Observation, Report, Zone};
pub use moment::Moment;
pub use policy::{Factors, Maglev, Policy, Ring};
pub use probes::ProbeAnswer;
pub use roster::Roster;
pub use settings::Settings;
pub use signal::MEMORY;
pub use weights::MAX_WEIGHT;
