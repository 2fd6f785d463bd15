//! The one that is expected to answer first.

use polity_core::Rng;

use crate::Moment;
use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;

/// Of endpoints that fail nearly always, what is taken for the rate of their successes.
const MIN_SUCCESS: f32 = 0.05;
/// What an endpoint's first answer is taken to last until it has come, in milliseconds: a new one must
/// not be given all requests while nothing is known of it, nor one that only fails.
const UNKNOWN: f32 = 1_000.0;
/// What it is taken to last where nothing is under way: less than any, as that is to be found out.
const UNTRIED: f32 = 1e-3;

/// The better of two drawn at random, by Finagle's peak-sensitive average: with the better of all, every
/// balancer would send everything to the same one until its answers slow down.
pub(crate) fn peak_ewma<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let rate = |endpoint: &Endpoint, state| wait(endpoint, state, candidates.now);
    candidates.better_of_two(rng, rate, |_| true, |other, first| other < first)
}

/// The best of all, by the average; as long as nothing tells them apart, at random.
pub(crate) fn least_response_time<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    candidates.least(rng, |endpoint, state, least| {
        match answers(endpoint, state, candidates.now) * endpoint.inverse_weight() {
            // Failures do not make it less.
            more if more > least => more,
            wait => with_failures(wait, endpoint, candidates.now),
        }
    })
}

/// How long until a request more would be answered well: each of those in flight takes as long as
/// answers did lately, an endpoint of double weight works on two at once, and a failure costs another
/// try.
#[inline]
fn wait(endpoint: &Endpoint, state: State, now: Moment) -> f32 {
    let wait = answers(endpoint, state, now) * endpoint.inverse_weight();
    with_failures(wait, endpoint, now)
}

#[inline]
fn with_failures(wait: f32, endpoint: &Endpoint, now: Moment) -> f32 {
    match endpoint.failing(now) {
        // The usual case, which divides by nothing.
        None => wait,
        Some(failures) => wait / (1.0 - failures).max(MIN_SUCCESS),
    }
}

/// What the answers to those in flight and one more take there, one after the other, in milliseconds,
/// as far as anything is known of that.
#[inline]
fn answers(endpoint: &Endpoint, state: State, now: Moment) -> f32 {
    let line = state.in_flight() + 1;
    match endpoint.latency().times(line, now) {
        Some(known) => known,
        None => unknown(endpoint, state, now) * line as f32,
    }
}

/// What an answer is taken to last of one that was never heard of, or not for so long that it may be
/// tried again.
fn unknown(endpoint: &Endpoint, state: State, now: Moment) -> f32 {
    match state.in_flight() == 0 && endpoint.failing(now).is_none() {
        true => UNTRIED,
        false => UNKNOWN,
    }
}

/// What the next answer takes there by itself, in milliseconds, as far as anything is known of that. A first
/// impression is no more than nothing where nobody waits.
#[inline]
pub(super) fn answer(endpoint: &Endpoint, state: State, now: Moment) -> f32 {
    let latency = endpoint.latency();
    match latency.times(1, now) {
        Some(known) if !may_ask_again(endpoint, state, now) => known,
        _ => unknown(endpoint, state, now),
    }
}

#[inline]
fn may_ask_again(endpoint: &Endpoint, state: State, now: Moment) -> bool {
    state.in_flight() == 0
        && endpoint.latency().is_impression(now)
        && endpoint.failing(now).is_none()
}
