//! The endpoint of the least cost.

use polity_core::Rng;

use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};

/// Looks at all. At random among equals, by weight: by order, an idle service would put its whole load
/// on the first.
pub(super) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
    cost: impl Fn(&Endpoint, State) -> f32,
) -> Option<usize> {
    let costs = || {
        (0..candidates.places()).filter_map(|place| {
            let (endpoint, state) = candidates.at(place)?;
            Some((place, cost(endpoint, state), u64::from(endpoint.weight())))
        })
    };
    let (mut chosen, mut least, mut weight_of_equals, mut equals) = (None, f32::INFINITY, 0, 0);
    for (place, cost, weight) in costs() {
        if cost < least || chosen.is_none() {
            (chosen, least, weight_of_equals, equals) = (Some(place), cost, weight, 1);
        } else if cost == least {
            weight_of_equals += weight;
            equals += 1;
        }
    }
    if equals <= 1 {
        return chosen;
    }
    let mut number = rng.below(weight_of_equals as usize) as u64;
    let drawn = costs().find(|(_, cost, weight)| {
        let is_here = *cost <= least && number < *weight;
        if *cost <= least {
            number = number.saturating_sub(*weight);
        }
        is_here
    });
    // Between the two passes other threads may have given all of them something to do.
    drawn.map(|(place, ..)| place).or(chosen)
}
