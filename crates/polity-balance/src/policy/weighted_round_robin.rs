//! One after the other, by weight.

use std::sync::atomic::AtomicU64;

use polity_core::Rng;

use super::round_robin::rotate;
use crate::candidates::Candidates;
use crate::endpoint::Endpoint;

/// In a round, each place has its weight's number of turns.
pub(crate) fn choose<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
    candidates: &Candidates<'_, E, F>,
    turn: &AtomicU64,
    rng: &mut dyn Rng,
) -> Option<usize> {
    let round = candidates.round();
    rotate(candidates, round.turns(), turn, rng, |turn| {
        candidates.by_weight(round.number(turn))
    })
}
