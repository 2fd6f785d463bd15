//! Choosing an endpoint of a service for a request.

use std::sync::atomic::AtomicUsize;

use polity_core::Rng;

use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, InFlight};
use crate::policy;

#[cfg(test)]
#[path = "balancer_tests.rs"]
mod tests;

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The less busy of two drawn at random (Mitzenmacher 2001): nearly as even as the least busy of
    /// all, at the cost of two looks, and no thread sends everything to the same one.
    #[default]
    PowerOfTwoChoices,
    /// One after the other.
    RoundRobin,
    /// The least busy of all; at random among equals.
    LeastConnections,
    /// At random.
    Random,
}

/// A policy and what it remembers from one request to the next. One for each service, shared by all
/// threads, and kept when the service's endpoints change.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Balancer {
    policy: Policy,
    turn: AtomicUsize,
}

impl Balancer {
    /// A balancer that has chosen nothing yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            turn: AtomicUsize::new(0),
        }
    }

    /// The place in `endpoints` of the one to use, out of those that are not retired and that
    /// `wanted` holds for (a retry does not want those that were tried); none if there is none.
    pub fn choose<E: AsRef<Endpoint>>(
        &self,
        endpoints: &[E],
        rng: &mut dyn Rng,
        wanted: impl Fn(&E) -> bool,
    ) -> Option<usize> {
        let candidates = Candidates::new(endpoints, wanted);
        match self.policy {
            Policy::PowerOfTwoChoices => policy::power_of_two::choose(&candidates, rng),
            Policy::RoundRobin => policy::round_robin::choose(&candidates, &self.turn),
            Policy::LeastConnections => policy::least_connections::choose(&candidates, rng),
            Policy::Random => candidates.draw(rng, None),
        }
    }

    /// Chooses, and counts the request in. None only where no endpoint is left that is not retired
    /// and that `wanted` holds for.
    pub fn begin<E: AsRef<Endpoint> + Clone>(
        &self,
        endpoints: &[E],
        rng: &mut dyn Rng,
        wanted: impl Fn(&E) -> bool,
    ) -> Option<InFlight<E>> {
        // Each turn but the last met an endpoint retired since it was chosen, and what is retired
        // stays so: there are at most as many turns as endpoints, and one.
        loop {
            let place = self.choose(endpoints, rng, &wanted)?;
            let holder = endpoints.get(place)?.clone();
            if let Some(counted) = InFlight::begin(holder) {
                return Some(counted);
            }
        }
    }
}
