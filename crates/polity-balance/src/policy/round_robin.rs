//! One after the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Endpoint;
use crate::candidates::Candidates;

/// An endpoint that is out uses up its turn: were it passed over for free, its neighbour would have
/// two turns in each round.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    turn: &AtomicUsize,
) -> Option<usize> {
    let places = candidates.places();
    for _ in 0..places {
        // Relaxed: only the numbers matter, and they order nothing else.
        let place = turn.fetch_add(1, Ordering::Relaxed) % places;
        if candidates.admits(place) {
            return Some(place);
        }
    }
    // Other threads may have taken every turn of the one candidate there is.
    (0..places).find(|place| candidates.admits(*place))
}
