//! By what endpoints answer when they are asked.

use polity_core::Rng;

use crate::candidates::Candidates;
use crate::endpoint::Endpoint;
use crate::outage::Outage;
use crate::policy::{Factors, power_of_two};

/// Where nothing is known, by what is seen from here.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    outage: &Outage,
    rng: &mut dyn Rng,
) -> Option<usize> {
    // Of those within reach: what others answered is kept for when they are.
    let admits = |place| place < candidates.places() && candidates.admits(place);
    let taken = candidates
        .probes()
        .and_then(|probes| probes.take(candidates.now, admits));
    taken.or_else(|| power_of_two::choose(candidates, &Factors::default(), outage, rng))
}
