//! The better of two drawn at random; of a few, the best.

use polity_core::Rng;

use super::latency::answers;
use crate::Moment;
use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};

#[cfg(test)]
#[path = "power_of_two_tests.rs"]
mod tests;

/// Up to so many are all looked at, in no more time than drawing two takes among many
/// (docs/balancing/choice.md). Where 3 of 8 are ill, one pair in ten is of ill ones, and that alone is
/// what a 99th percentile is made of.
const FEW: usize = 8;

/// What makes an endpoint better than another, after Netflix's edge balancer: how busy it is with
/// requests of ours, how well it has been, and how busy it says it is; and after Finagle's, how long its
/// answers took lately. Netflix's formula is not public; this one compares by ratios, so that it means
/// the same for services of any size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// Endpoints that fail more often than this, 0 to 1, are passed over while others are found.
    pub failure_limit: f32,
    /// Endpoints that say more of them is in use are passed over while others are found, where two are
    /// drawn. Where all are looked at, what they cost is enough: to pass over all that are busy would
    /// leave those that are idle because they are slow.
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
        let mut cost = answers(endpoint, state, now) * endpoint.inverse_weight();
        // One that was never heard of is on probation: it has to answer one request first.
        let mut is_misfit = !state.is_heard() && state.in_flight() > 0;
        if let Some(failures) = endpoint.failing(now) {
            cost *= 1.0 + self.failure_cost * failures;
            is_misfit |= failures > self.failure_limit;
        }
        let utilization = endpoint.utilization(now);
        // Squared, as a line grows faster than what makes it wait.
        cost *= 1.0 + self.utilization_cost * utilization * utilization;
        Rating {
            cost: cost.to_bits() & !MISFIT | u32::from(is_misfit) << 31,
            is_full: utilization > self.utilization_limit,
        }
    }
}

/// What is known of one that was looked at.
#[derive(PartialEq, PartialOrd)]
struct Rating {
    /// What a request more would cost there: the bits of an `f32` that is not negative, which are in
    /// the order of the numbers, and above them whether it may be taken only after all others.
    cost: u32,
    /// Whether others are to be drawn first; among those drawn it is no worse than what it costs.
    is_full: bool,
}

const MISFIT: u32 = 1 << 31;

/// The first drawn wins a tie, which is as good as random.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    factors: &Factors,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let rate = |endpoint: &Endpoint, state| factors.rate(endpoint, state, candidates.now);
    if candidates.places() <= FEW {
        let first = candidates.draw(rng)?;
        let mut least = u64::from(u32::MAX) << 32;
        for (place, endpoint, state) in candidates.with_grown(first) {
            let cost = rate(endpoint, state).cost;
            // In one number, as which is the least is nothing that a processor can foretell.
            least = least.min(u64::from(cost) << 32 | (place ^ first) as u64);
        }
        return Some(least as u32 as usize ^ first);
    }
    let fits = |rating: &Rating| rating.cost & MISFIT == 0 && !rating.is_full;
    candidates.better_of_two(rng, rate, fits)
}
