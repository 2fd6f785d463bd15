//! The endpoint of the least cost.

use polity_core::{Rng, SplitMix64};

use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};

/// Looks at all. At random among equals, by weight: by order, an idle service would put its whole load
/// on the first.
pub(super) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
    cost: impl Fn(&Endpoint, State) -> f32,
) -> Option<usize> {
    // Numbers of its own: an idle service has as many equals as endpoints.
    let mut rng = SplitMix64::new(rng.next_u64());
    let (mut chosen, mut least, mut weight_of_equals) = (None, f32::INFINITY, 0);
    for (place, endpoint, state) in candidates.all() {
        // What is endless, or no number, is less than nothing found.
        let cost = cost(endpoint, state).min(f32::MAX);
        if cost < least {
            (chosen, least, weight_of_equals) = (Some(place), cost, endpoint.weight() as usize);
        } else if cost == least {
            let weight = endpoint.weight() as usize;
            weight_of_equals += weight;
            // The last of them in its share of all draws, and before it the others in theirs (Chao 1982).
            if rng.below(weight_of_equals) < weight {
                chosen = Some(place);
            }
        }
    }
    chosen
}
