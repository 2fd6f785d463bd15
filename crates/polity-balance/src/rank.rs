//! Which of all endpoints costs least, and which of those that cost as little.

use polity_core::Rng;

/// The place of an endpoint in the order of one choice: by its cost, and among equals by luck, in one
/// number. A tie broken by a branch and a draw for each would take longer than all else, as a service
/// with little to do has as many equals as endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Rank {
    /// Behind all.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// Of an endpoint of that cost. What is no number costs most.
    #[inline]
    pub(crate) fn of(cost: f32, luck: f32) -> Self {
        // The bits of numbers that are not negative are in the order of the numbers.
        Self(u64::from(bits(cost)) << 32 | u64::from(bits(luck)))
    }

    #[inline]
    pub(crate) fn cost(self) -> f32 {
        f32::from_bits((self.0 >> 32) as u32)
    }
}

#[inline]
fn bits(number: f32) -> u32 {
    number.to_bits() & (u32::MAX >> 1)
}

/// Lots, one for each endpoint; the lowest wins.
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) fn new(rng: &mut dyn Rng) -> Self {
        Self(rng.next_u64())
    }

    /// The next lot, of an endpoint of that weight. It wins in proportion to its weight, to within one part
    /// in a hundred: the first of events that come at rates is each in proportion to its rate.
    #[inline]
    pub(crate) fn draw(&mut self, inverse_weight: f32) -> f32 {
        // Half of SplitMix64's work, which is enough for the upper half of its numbers.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let uniform = ((mixed >> 40) as i32 as f32 + 0.5) / (1 << 24) as f32;
        waiting_time(uniform) * inverse_weight
    }
}

/// The negative binary logarithm of a number between 0 and 1, by a parabola over each octave: the time
/// until an event that comes at a rate.
#[inline]
fn waiting_time(uniform: f32) -> f32 {
    let bits = uniform.to_bits();
    let octave = (bits >> 23) as i32 - 128;
    let mantissa = f32::from_bits(bits & 0x7F_FFFF | 0x3F80_0000);
    let parabola = (-0.344_848_43 * mantissa + 2.024_665_8) * mantissa - 0.674_877_6;
    -(octave as f32 + parabola)
}

#[cfg(test)]
mod tests {
    use polity_core::SplitMix64;

    use super::*;

    #[test]
    fn costs_come_before_luck_and_in_the_order_of_numbers() {
        let costs = [
            0.0,
            1e-30,
            0.5,
            1.0,
            1.5,
            3e9,
            f32::MAX,
            f32::INFINITY,
            f32::NAN,
        ];
        let ranks = costs.map(|cost| [Rank::of(cost, 0.0), Rank::of(cost, 4e9)]);
        let ranks = ranks.concat();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
        assert!(ranks.iter().all(|rank| *rank < Rank::LAST));
    }

    /// How often each of these weights wins.
    fn wins(weights: &[f32]) -> Vec<f64> {
        const ROUNDS: usize = 100_000;
        let mut rng = SplitMix64::new(5);
        let mut wins = vec![0.0; weights.len()];
        for _ in 0..ROUNDS {
            let mut luck = Luck::new(&mut rng);
            let lots = weights.iter().map(|weight| luck.draw(1.0 / weight));
            let lots: Vec<_> = lots.collect();
            let winner = (0..lots.len()).min_by(|a, b| lots[*a].total_cmp(&lots[*b]));
            wins[winner.expect("there are some")] += 1.0 / ROUNDS as f64;
        }
        wins
    }

    #[test]
    fn each_of_equal_weight_wins_as_often() {
        for count in [2, 3, 8, 100] {
            let wins = wins(&vec![3.0; count]);
            let share = 1.0 / count as f64;
            // Five sigma.
            let most = 5.0 * (share * (1.0 - share) / 100_000.0).sqrt();
            assert!(wins.iter().all(|it| (it - share).abs() < most), "{wins:?}");
        }
    }

    #[test]
    fn weights_win_in_proportion() {
        let light = |others: usize| wins(&[vec![1.0; others], vec![2.0; others]].concat())[0];
        assert!((light(1) - 0.333).abs() < 0.01, "{}", light(1));
        assert!((light(10) * 10.0 - 0.333).abs() < 0.02, "{}", light(10));
        let heavy = wins(&[1.0, 1.0, 4.0])[2];
        assert!((heavy - 0.667).abs() < 0.01, "{heavy}");
    }
}
