//! The better of two drawn at random.

use polity_core::Rng;

use crate::Moment;
use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};

#[cfg(test)]
#[path = "power_of_two_tests.rs"]
mod tests;

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

/// As simulated (docs/balancing): endpoints that say they are busy are a little worse, as
/// a stronger word would send everybody to the few that are not.
impl Default for Factors {
    fn default() -> Self {
        Self {
            failure_limit: 0.2,
            utilization_limit: 1.5,
            failure_cost: 20.0,
            utilization_cost: 0.5,
        }
    }
}

impl Factors {
    #[inline]
    fn rate(&self, endpoint: &Endpoint, state: State, now: Moment) -> Rating {
        let (failures, utilization) = (endpoint.failure_rate(now), endpoint.utilization(now));
        // One that was never heard of is on probation: it has to answer one request first.
        let fits = (state.is_heard() || state.in_flight() == 0)
            && failures <= self.failure_limit
            && utilization <= self.utilization_limit;
        let load = (state.in_flight() + 1) as f32 / endpoint.weight() as f32;
        // Squared, as a line grows faster than what makes it wait.
        let cost = load
            * (1.0 + self.failure_cost * failures)
            * (1.0 + self.utilization_cost * utilization * utilization);
        Rating {
            is_misfit: !fits,
            cost,
        }
    }
}

/// What is known of one that was drawn.
struct Rating {
    /// Whether it may be taken only after others were looked for.
    is_misfit: bool,
    /// What a request more would cost there.
    cost: f32,
}

impl Rating {
    #[inline]
    fn is_better_than(&self, other: &Self) -> bool {
        match self.is_misfit == other.is_misfit {
            true => self.cost < other.cost,
            false => other.is_misfit,
        }
    }
}

/// The first drawn wins a tie, which is as good as random.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    factors: &Factors,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let rate = |endpoint: &Endpoint, state| factors.rate(endpoint, state, candidates.now);
    let fits = |rating: &Rating| !rating.is_misfit;
    let (first, rating) = candidates.draw_rated(rng, None, rate, fits)?;
    if candidates.places() == 1 {
        return Some(first);
    }
    // Endpoints that had to be taken although they do not fit are compared like any others.
    match candidates.draw_rated(rng, Some(first), rate, fits) {
        Some((second, other)) if other.is_better_than(&rating) => Some(second),
        _ => Some(first),
    }
}
