//! The least busy of all.

use polity_core::Rng;

use crate::candidates::Candidates;
use crate::endpoint::Endpoint;

/// Whatever their weights.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    candidates.least(rng, |_, state, _| state.in_flight() as f32)
}

/// By requests in flight for each unit of weight.
pub(crate) fn choose_weighted<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    candidates.least(rng, |endpoint, state, _| {
        state.in_flight() as f32 * endpoint.inverse_weight()
    })
}
