//! The better of two drawn at random; of a few, the best.

use polity_core::Rng;

use super::latency::answer;
use crate::Moment;
use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};
use crate::outage::Outage;

#[cfg(test)]
#[path = "power_of_two_tests.rs"]
mod tests;

/// Up to so many are all looked at, in no more time than drawing two takes among many
/// (docs/balancing/choice.md). Where 3 of 8 are ill, one pair in ten is of ill ones, and that alone is
/// what a 99th percentile is made of.
const FEW: usize = 8;

/// What makes an endpoint better than another, after Netflix's edge balancer: how busy it is with
/// requests of ours, how well it has been, and how busy it says it is; and after Finagle's, how long its
/// answers took lately, once that is more than chance. Netflix's formula is not public; this one compares by ratios, so
/// that it means the same for services of any size.
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
        let line = state.in_flight() + 1;
        let mut load = line as f32 * endpoint.inverse_weight();
        // One that was never heard of is on probation: it has to answer one request first.
        let mut is_misfit = !state.is_heard() && state.in_flight() > 0;
        if let Some(failures) = endpoint.failing(now) {
            load *= 1.0 + self.failure_cost * failures;
            is_misfit |= failures > self.failure_limit;
        }
        let utilization = endpoint.utilization(now);
        // Squared, as a line grows faster than what makes it wait.
        load *= 1.0 + self.utilization_cost * utilization * utilization;
        Rating {
            load,
            answer: answer(endpoint, state, now),
            is_misfit,
            is_full: utilization > self.utilization_limit,
        }
    }
}

/// What is known of one that was looked at.
#[derive(Clone, Copy)]
struct Rating {
    /// What a request more would add to, all but how long answers take counted.
    load: f32,
    /// How long an answer takes there, in milliseconds.
    answer: f32,
    /// Whether it may be taken only after all others.
    is_misfit: bool,
    /// Whether others are to be drawn first; among those drawn it is no worse than what it costs.
    is_full: bool,
}

impl Rating {
    /// What a request more would cost there, in the order of numbers.
    #[inline]
    fn cost(&self, pace: Pace) -> u32 {
        // The bits of an `f32` that is not negative are in the order of the numbers.
        let cost = self.load * pace.excess(self.answer);
        cost.to_bits() & !MISFIT | u32::from(self.is_misfit) << 31
    }
}

const MISFIT: u32 = 1 << 31;

/// Answers count as slow that take more than so many times as long as the fastest. Whoever is less apart
/// is as good: what is left between equals is chance, and to follow it would give everything to
/// one, which is then the only one that anything is known of.
const SLACK: f32 = 2.0;

/// What is faster, in milliseconds, is taken for as fast as this: a scheduler adds as much.
const FAST: f32 = 1.0;

/// How long answers may take, by those that are compared.
#[derive(Clone, Copy)]
struct Pace {
    slow: f32,
    inverse: f32,
}

impl Pace {
    fn of(fastest: f32) -> Self {
        let fastest = fastest.max(FAST);
        Self {
            slow: fastest * SLACK,
            inverse: 1.0 / fastest,
        }
    }

    /// By how much one that takes so long is worse than the fastest.
    #[inline]
    fn excess(self, answer: f32) -> f32 {
        if answer > self.slow {
            answer * self.inverse
        } else {
            1.0
        }
    }
}

pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    factors: &Factors,
    outage: &Outage,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let now = candidates.now;
    let found_out = outage
        .is_recent(now)
        .then(|| find_out(candidates, factors, rng));
    if let Some(place) = found_out.flatten() {
        return Some(place);
    }
    let chosen = of_well(candidates, factors, rng)?;
    let fails = |endpoint: &Endpoint| endpoint.failure_rate(now) > factors.failure_limit;
    if candidates
        .at(chosen)
        .is_some_and(|(endpoint, _)| fails(endpoint))
    {
        outage.look(now, || candidates.in_use().all(fails));
    }
    Some(chosen)
}

/// After all have failed, the first that is well again would be the only one: others stay as they were known
/// before. So each is asked anew, the more likely the longer nothing was heard of it, one request at a
/// time. One of many that are ill among well ones is not asked so: it would cost requests.
fn find_out<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    factors: &Factors,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let place = candidates.draw(rng)?;
    let (endpoint, state) = candidates.at(place)?;
    let (failures, age) = endpoint.failing_since(candidates.now);
    let is_due = failures > factors.failure_limit && state.in_flight() == 0 && rng.unit() < age;
    is_due.then_some(place)
}

fn of_well<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    factors: &Factors,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let rate = |endpoint: &Endpoint, state| factors.rate(endpoint, state, candidates.now);
    if candidates.places() <= FEW {
        let first = candidates.draw(rng)?;
        return Some(best_of_few(candidates, first, rate));
    }
    let fits = |rating: &Rating| !rating.is_misfit && !rating.is_full;
    // The first drawn wins a tie, which is as good as random.
    candidates.better_of_two(rng, rate, fits, |other, first| {
        let pace = Pace::of(other.answer.min(first.answer));
        other.cost(pace) < first.cost(pace)
    })
}

/// The one that costs least; among equals `first`, which was drawn, or one that is as good as random.
fn best_of_few<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    first: usize,
    rate: impl Fn(&Endpoint, State) -> Rating,
) -> usize {
    let mut ratings = [None; FEW];
    let mut fastest = f32::INFINITY;
    for (place, endpoint, state) in candidates.with_grown(first) {
        let rating = rate(endpoint, state);
        fastest = fastest.min(rating.answer);
        ratings[place] = Some(rating);
    }
    let pace = Pace::of(fastest);
    let mut least = u64::from(u32::MAX) << 32;
    for (place, rating) in ratings.iter().enumerate() {
        let Some(rating) = rating else { continue };
        // In one number, as which is the least is nothing that a processor can foretell.
        least = least.min(u64::from(rating.cost(pace)) << 32 | (place ^ first) as u64);
    }
    least as u32 as usize ^ first
}
