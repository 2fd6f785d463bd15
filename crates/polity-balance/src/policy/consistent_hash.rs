//! The same endpoint for the same key, as far as possible also when other endpoints come and go.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use polity_core::{Rng, SplitMix64};

use super::maglev::Table;
use super::ring::Points;
use super::{Policy, hash};
use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, State};

#[cfg(test)]
#[path = "consistent_hash_tests.rs"]
mod tests;

/// Places a key is tried at before it is hashed as if there were no table: with half of the endpoints
/// out, none in four billion.
const LOOKS: usize = 32;

/// What is prepared for hashing.
#[derive(Debug)]
pub(crate) enum Prepared {
    Nothing,
    Ring(Points),
    Maglev(Table),
}

impl Prepared {
    pub(crate) fn new<'a>(
        policy: &Policy,
        endpoints: impl ExactSizeIterator<Item = &'a Endpoint> + Clone,
    ) -> Self {
        match policy {
            Policy::Ring(ring) => Self::Ring(Points::new(*ring, endpoints)),
            Policy::Maglev(maglev) => Self::Maglev(Table::new(*maglev, endpoints)),
            _ => Self::Nothing,
        }
    }
}

/// What endpoints are hashed by: their identities, and where some share one, further numbers that follow from
/// it. Twins would else want the same places, and on a ring one of them would have none.
pub(super) fn seeds<'a>(
    endpoints: impl Iterator<Item = &'a Endpoint>,
) -> impl Iterator<Item = u64> {
    let mut twins: HashMap<u64, SplitMix64> = HashMap::new();
    endpoints.map(move |endpoint| match twins.entry(endpoint.identity()) {
        Entry::Vacant(entry) => {
            let identity = *entry.key();
            entry.insert(SplitMix64::new(!identity));
            identity
        }
        Entry::Occupied(mut twins) => twins.get_mut().next_u64(),
    })
}

/// A request without a key is left to chance.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    bound: Option<f32>,
    key: Option<u64>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let found = key.and_then(|key| match candidates.prepared() {
        Prepared::Ring(points) => first(candidates, bound, points.from(key)),
        Prepared::Maglev(table) => first(candidates, bound, table.from(key)),
        Prepared::Nothing => None,
    });
    found.or_else(|| hash::choose(candidates, key, rng))
}

/// The first of `places` that may be chosen and has room; if none has, the first.
fn first<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    bound: Option<f32>,
    places: impl Iterator<Item = usize> + Clone,
) -> Option<usize> {
    let places = || places.clone().take(LOOKS);
    let admitted = || places().find(|place| candidates.admits(*place));
    let Some(bound) = bound else {
        return admitted();
    };
    let has_room = |place: &usize, mean: f32| {
        let has_room = |(endpoint, state): (&Endpoint, State)| {
            let room = bound.max(1.0) * mean * endpoint.weight() as f32;
            (state.in_flight() as f32) < room.ceil()
        };
        candidates.at(*place).is_some_and(has_room)
    };
    let mean = candidates.mean_load();
    places().find(|place| has_room(place, mean)).or_else(|| {
        // All that were looked at are full: there may have come more since it was counted, or the few
        // that have room are not among them.
        let first = admitted()?;
        let mean = candidates.count_load();
        let all = (first..candidates.places()).chain(0..first);
        let found = places().chain(all).find(|place| has_room(place, mean));
        Some(found.unwrap_or(first))
    })
}
