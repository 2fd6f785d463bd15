//! The one that is expected to answer first.

use polity_core::Rng;

use crate::Moment;
use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};
use crate::latency::Kind;

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;

/// Of endpoints that fail nearly always, what is taken for the rate of their successes.
const MIN_SUCCESS: f32 = 0.05;
/// What an endpoint's first answer is taken to last until it has come, in milliseconds: a new one must
/// not be given all requests while nothing is known of it.
const UNKNOWN: f32 = 1_000.0;

/// The better of two drawn at random, by Finagle's peak-sensitive average: with the better of all, every
/// balancer would send everything to the same one until its answers slow down.
pub(crate) fn peak_ewma<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let rate = |endpoint: &Endpoint, state| cost(Kind::Peak, endpoint, state, candidates.now);
    let (first, cost) = candidates.draw_rated(rng, None, rate, |_| true)?;
    if candidates.places() == 1 {
        return Some(first);
    }
    match candidates.draw_rated(rng, Some(first), rate, |_| true) {
        Some((second, other)) if other < cost => Some(second),
        _ => Some(first),
    }
}

/// The best of all, by the average; as long as nothing tells them apart, at random.
pub(crate) fn least_response_time<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    super::least::choose(candidates, rng, |endpoint, state| {
        cost(Kind::Mean, endpoint, state, candidates.now)
    })
}

/// How long until a request more would be answered well: each of those in flight takes as long as
/// answers did lately, an endpoint of double weight works on two at once, and a failure costs another
/// try.
fn cost(kind: Kind, endpoint: &Endpoint, state: State, now: Moment) -> f32 {
    let latency = match endpoint.latency().read(kind, now) {
        // Never heard of, or not for so long that it may be tried again.
        0.0 if state.in_flight() > 0 => UNKNOWN,
        known => known,
    };
    let line = (state.in_flight() + 1) as f32;
    let success = (1.0 - endpoint.failure_rate(now)).max(MIN_SUCCESS);
    latency * line / (endpoint.weight() as f32 * success)
}
