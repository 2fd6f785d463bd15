//! The least busy of all.

use polity_core::Rng;

use crate::candidates::Candidates;
use crate::endpoint::Endpoint;

/// Whatever their weights.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    least(candidates, rng, |_| 1)
}

/// By requests in flight for each unit of weight; among equals, by weight.
pub(crate) fn choose_weighted<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    least(candidates, rng, Endpoint::weight)
}

/// At random among equals: by order, an idle service would put its whole load on the first.
fn least<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
    weight: impl Fn(&Endpoint) -> u32,
) -> Option<usize> {
    let loads = || {
        (0..candidates.places()).filter_map(|place| {
            let (endpoint, state) = candidates.at(place)?;
            let (load, weight) = (state.in_flight(), u64::from(weight(endpoint)));
            Some((place, Load { load, weight }))
        })
    };
    let (first, mut least) = loads().next()?;
    let (mut chosen, mut weight_of_equals) = (first, 0);
    for (place, load) in loads() {
        if load.is_less_than(least) {
            (chosen, least, weight_of_equals) = (place, load, load.weight);
        } else if !least.is_less_than(load) {
            weight_of_equals += load.weight;
        }
    }
    if weight_of_equals <= least.weight {
        return Some(chosen);
    }
    let mut number = rng.below(weight_of_equals as usize) as u64;
    let mut equals = loads().filter(|(_, load)| !least.is_less_than(*load));
    let drawn = equals.find(|(_, load)| {
        let is_here = number < load.weight;
        number = number.saturating_sub(load.weight);
        is_here
    });
    // Between the two passes other threads may have given all of them something to do.
    Some(drawn.map_or(chosen, |(place, _)| place))
}

#[derive(Clone, Copy)]
struct Load {
    load: u64,
    weight: u64,
}

impl Load {
    /// By weight, without dividing.
    fn is_less_than(self, other: Self) -> bool {
        self.load * other.weight < other.load * self.weight
    }
}
