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
    let taken = candidates
        .probes()
        .and_then(|probes| probes.take(candidates.now, |place| candidates.admits(place)));
    taken.or_else(|| power_of_two::choose(candidates, &Factors::default(), outage, rng))
}
