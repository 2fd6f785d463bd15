//! From a number to an endpoint, in proportion to the weights.

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;

/// The most an endpoint may weigh: so that what a round of any roster adds up to, multiplied by itself,
/// is a `u64`.
pub const MAX_WEIGHT: u32 = 65_535;

/// Sums of the weights up to each place. Where all weights are equal there are none: a number is a place
/// then.
#[derive(Debug)]
pub(crate) struct Weights {
    sums: Box<[u64]>,
}

impl Weights {
    pub(crate) fn new(weights: impl Iterator<Item = u32> + Clone) -> Self {
        let mut others = weights.clone();
        let first = others.next();
        if others.all(|weight| Some(weight) == first) {
            return Self { sums: [].into() };
        }
        let sums = weights.scan(0, |sum, weight| {
            *sum += u64::from(weight);
            Some(*sum)
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// How many numbers there are for the first `places`.
    #[inline]
    pub(crate) fn total(&self, places: usize) -> u64 {
        match places.checked_sub(1).and_then(|last| self.sums.get(last)) {
            Some(sum) => *sum,
            None => places as u64,
        }
    }

    /// The place of `number`, which is below the total of the places.
    #[inline]
    pub(crate) fn place(&self, number: u64) -> usize {
        if self.sums.is_empty() {
            return number as usize;
        }
        self.sums.partition_point(|sum| *sum <= number)
    }
}

/// The turns of places that are used by weight: as many as the weights add up to, each place its
/// weight's number of them, spread over the round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    total: u64,
    step: u64,
}

impl Round {
    pub(crate) fn of(total: u64) -> Self {
        Self {
            total,
            step: step(total),
        }
    }

    /// How many turns there are.
    pub(crate) fn turns(self) -> u64 {
        self.total
    }

    /// The number whose turn it is. Steps of the golden ratio of a round leave gaps of three lengths at
    /// most between the turns of one place (the three-gap theorem, Sós 1958): as smooth as nginx's
    /// rotation, without a state that has to change in one go.
    pub(crate) fn number(self, turn: u64) -> u64 {
        turn * self.step % self.total
    }
}

/// Numbers on either side of the golden ratio that are looked at for a step.
const REACH: u64 = 32;

/// A number near the golden ratio of `total` that has no divisor in common with it, so that a round meets
/// every number once; and of those, one whose multiples do not come back close to where they were before
/// they have to.
fn step(total: u64) -> u64 {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let golden = (total as f64 * GOLDEN) as u64;
    let near = golden.saturating_sub(REACH).max(1)..=(golden + REACH).min(total);
    let rated = near.filter_map(|step| Some((largest_quotient(total, step)?, step)));
    rated.min().map_or(1, |(_, step)| step)
}

/// The largest of the numbers that the continued fraction of `b / a` is made of: the smaller, the more
/// evenly the multiples are spread (1, always, is the golden ratio's). None where they have a divisor in
/// common.
fn largest_quotient(mut a: u64, mut b: u64) -> Option<u64> {
    let mut largest = 0;
    while b > 0 {
        largest = largest.max(a / b);
        (a, b) = (b, a % b);
    }
    (a == 1).then_some(largest)
}
