//! The same endpoint for the same key.

use polity_core::{Rng, SplitMix64};

use crate::candidates::Candidates;
use crate::endpoint::Endpoint;

/// A key whose endpoint is out is hashed on until it meets one that is in, so the keys of an endpoint
/// that is out are spread over all others, and come back when it does.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    key: Option<u64>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    match key {
        Some(key) => candidates.draw(&mut SplitMix64::new(key)),
        None => candidates.draw(rng),
    }
}
