//! One after the other.

use std::sync::atomic::{AtomicU64, Ordering};

use polity_core::Rng;

use crate::candidates::Candidates;
use crate::endpoint::Endpoint;

/// An endpoint that is out uses up its turn: were it passed over for free, its neighbour would have
/// two turns in each round.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    turn: &AtomicU64,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let places = candidates.places();
    rotate(candidates, places as u64, turn, rng, |turn| turn as usize)
}

/// The candidate whose turn it is, of `round` turns.
pub(super) fn rotate<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    round: u64,
    turn: &AtomicU64,
    rng: &mut dyn Rng,
    place: impl Fn(u64) -> usize,
) -> Option<usize> {
    for _ in 0..candidates.places() {
        // Relaxed: only the numbers matter, and they order nothing else.
        let place = place(turn.fetch_add(1, Ordering::Relaxed) % round);
        if candidates.takes_turn(place, rng) {
            return Some(place);
        }
    }
    // Other threads may have taken every turn of the one candidate there is.
    candidates.draw(rng)
}
