//! The less busy of two drawn at random.

use polity_core::Rng;

use crate::Endpoint;
use crate::candidates::Candidates;

/// The first drawn wins a tie, which is as good as random.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let first = candidates.draw(rng, None)?;
    if candidates.places() == 1 {
        return Some(first);
    }
    match candidates.draw(rng, Some(first)) {
        Some(second) if candidates.load(second) < candidates.load(first) => Some(second),
        _ => Some(first),
    }
}
