//! The one with the shortest line, as far as anybody knows.

use polity_core::Rng;

use crate::candidates::Candidates;
use crate::endpoint::Endpoint;

/// By what endpoints say of their lines, whoever sent the requests in them, and at least by what of them
/// was sent from here. What they said grows old: many balancers that see the same short line all join it.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    candidates.least(rng, |endpoint, state, _| {
        let line = endpoint.queue(candidates.now).max(state.in_flight() as f32);
        line * endpoint.inverse_weight()
    })
}
