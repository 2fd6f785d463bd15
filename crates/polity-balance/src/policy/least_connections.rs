//! The least busy of all.

use polity_core::Rng;

use crate::Endpoint;
use crate::candidates::Candidates;

/// At random among equals: by order, an idle service would put its whole load on the first.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let mut least = None;
    let mut load_of_least = u64::MAX;
    let mut equals = 0;
    for place in (0..candidates.places()).filter(|place| candidates.admits(*place)) {
        let load = candidates.load(place);
        if least.is_none() || load < load_of_least {
            (least, load_of_least, equals) = (Some(place), load, 1);
        } else if load == load_of_least {
            equals += 1;
            if rng.below(equals) == 0 {
                least = Some(place);
            }
        }
    }
    least
}
