//! The endpoints a choice may fall on, and how to draw one without looking at all of them.

use polity_core::Rng;

use crate::Endpoint;

/// Draws that may hit an endpoint out of the question before all are looked at: with half of them
/// out, one request in 256 takes the long way.
const DRAWS: usize = 8;

/// Some of a service's endpoints: those not retired that the caller wants.
pub(crate) struct Candidates<'a, E, F> {
    endpoints: &'a [E],
    wanted: F,
}

impl<'a, E: AsRef<Endpoint>, F: Fn(&E) -> bool> Candidates<'a, E, F> {
    pub(crate) fn new(endpoints: &'a [E], wanted: F) -> Self {
        Self { endpoints, wanted }
    }

    /// How many places there are, candidates or not.
    pub(crate) fn places(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether the endpoint at `place` may be chosen.
    pub(crate) fn admits(&self, place: usize) -> bool {
        self.endpoints
            .get(place)
            .is_some_and(|endpoint| !endpoint.as_ref().is_retired() && (self.wanted)(endpoint))
    }

    /// Requests in flight at `place`.
    pub(crate) fn load(&self, place: usize) -> u64 {
        self.endpoints
            .get(place)
            .map_or(u64::MAX, |endpoint| endpoint.as_ref().in_flight())
    }

    /// One candidate, each as likely as the others, but never `except`.
    ///
    /// Stepping on to the neighbour of one that is out would give that neighbour the load of both,
    /// and by retries make an instance's failure its neighbour's.
    pub(crate) fn draw(&self, rng: &mut dyn Rng, except: Option<usize>) -> Option<usize> {
        for _ in 0..DRAWS {
            let place = rng.below(self.places());
            if Some(place) != except && self.admits(place) {
                return Some(place);
            }
        }
        let all = (0..self.places()).filter(|place| Some(*place) != except && self.admits(*place));
        // Algorithm R (Vitter 1985) with room for one: a uniform draw in one pass.
        let counted = all.zip(1..);
        counted.fold(None, |kept, (place, seen)| match rng.below(seen) {
            0 => Some(place),
            _ => kept,
        })
    }
}
