//! The better of two drawn at random.

use polity_core::Rng;

use crate::Moment;
use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};

/// What makes an endpoint better than another, after Netflix's edge balancer: how busy it is with
/// requests of ours, how well it has been, and how busy it says it is. Their formula is not public;
/// this one compares by ratios, so that it means the same for services of any size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// Endpoints that fail more often than this, 0 to 1, are passed over while others are found.
    pub failure_limit: f32,
    /// Endpoints that say more of them is in use are passed over while others are found.
    pub utilization_limit: f32,
    /// How much an endpoint that always fails is worse than one that never does: by this factor, and
    /// one.
    pub failure_cost: f32,
    /// How much an endpoint that is all in use is worse than an idle one: by this factor, and one.
    pub utilization_cost: f32,
}

impl Default for Factors {
    fn default() -> Self {
        Self {
            failure_limit: 0.5,
            utilization_limit: 0.95,
            failure_cost: 20.0,
            utilization_cost: 4.0,
        }
    }
}

impl Factors {
    /// Whether it may be taken without a second look.
    fn fits(&self, endpoint: &Endpoint, state: State, now: Moment) -> bool {
        // One that was never heard of is on probation: it has to answer one request first.
        (state.is_heard() || state.in_flight() == 0)
            && endpoint.failure_rate(now) <= self.failure_limit
            && endpoint.utilization(now) <= self.utilization_limit
    }

    /// What a request more would cost there.
    fn cost(&self, endpoint: &Endpoint, state: State, now: Moment) -> f32 {
        let load = (state.in_flight() + 1) as f32 / endpoint.weight() as f32;
        let failures = 1.0 + self.failure_cost * endpoint.failure_rate(now);
        let utilization = endpoint.utilization(now);
        // Squared, as a line grows faster than what makes it wait.
        load * failures * (1.0 + self.utilization_cost * utilization * utilization)
    }
}

/// The first drawn wins a tie, which is as good as random.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    factors: &Factors,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let now = candidates.now;
    let fits = |endpoint: &Endpoint, state: State| factors.fits(endpoint, state, now);
    let first = candidates.draw(rng, None, fits)?;
    if candidates.places() == 1 {
        return Some(first);
    }
    // What does not fit is worse than all that does. Endpoints that had to be taken although they do not
    // are compared like any others.
    let cost = |place: usize| match candidates.at(place) {
        Some((endpoint, state)) => (
            !factors.fits(endpoint, state, now),
            factors.cost(endpoint, state, now),
        ),
        None => (true, f32::INFINITY),
    };
    match candidates.draw(rng, Some(first), fits) {
        Some(second) if cost(second) < cost(first) => Some(second),
        _ => Some(first),
    }
}
