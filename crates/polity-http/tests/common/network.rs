//! Random networks.

use crate::memory::Pieces;
use crate::random::Random;
use crate::world::Network;

/// A network whose directions are cut up each in its own way, or not at all.
pub(crate) fn network(random: &mut Random) -> Network {
    Network {
        from_client: pieces(random),
        to_client: pieces(random),
        to_instance: pieces(random),
        from_instance: pieces(random),
    }
}

/// A few sizes, mostly small.
fn pieces(random: &mut Random) -> Pieces {
    let most = *random.pick(&[1, 3, 20, 200, 5000]);
    let count = random.below(6);
    (0..count).map(|_| 1 + random.below(most)).collect()
}
