//! Tests of the way from a number to a place, and of the order of numbers.

use proptest::prelude::*;

use super::*;

fn of(weights: &[u32]) -> Weights {
    Weights::new(weights.iter().copied())
}

#[test]
fn each_place_has_its_weight_of_numbers_next_to_each_other() {
    let weights = of(&[2, 1, 3]);
    let places: Vec<_> = (0..6).map(|number| weights.place(number)).collect();
    assert_eq!(places, [0, 0, 1, 2, 2, 2]);
    assert_eq!([0, 1, 2, 3].map(|it| weights.total(it)), [0, 2, 3, 6]);
}

#[test]
fn equal_weights_are_a_number_for_each_place() {
    let weights = of(&[7; 4]);
    assert!(weights.sums.is_empty());
    assert_eq!([0, 3].map(|it| weights.place(it)), [0, 3]);
    assert_eq!([0, 4].map(|it| weights.total(it)), [0, 4]);
    assert_eq!(of(&[]).total(0), 0);
}

#[test]
fn the_heaviest_of_all_rosters_does_not_overflow() {
    // As many as a snapshot may hold and more, at the most each may weigh.
    let total = 65_536 * u64::from(MAX_WEIGHT);
    let round = Round::of(total);
    assert_eq!(round.turns(), total);
    assert!(round.number(total - 1) < total);
}

proptest! {
    #[test]
    fn every_number_is_of_the_place_that_its_weight_reaches(
        weights in prop::collection::vec(1u32..=MAX_WEIGHT, 1..30), part in 0f64..1.0
    ) {
        let known = of(&weights);
        let number = (part * known.total(weights.len()) as f64) as u64;
        let place = known.place(number);
        if !known.sums.is_empty() {
            prop_assert!(known.total(place) <= number && number < known.total(place + 1));
        }
        prop_assert!(place < weights.len());
    }

    #[test]
    fn a_round_meets_every_number_once(total in 1u64..2_000) {
        let round = Round::of(total);
        let mut numbers: Vec<_> = (0..total).map(|turn| round.number(turn)).collect();
        numbers.sort_unstable();
        prop_assert!(numbers.into_iter().eq(0..total));
    }

    /// However many turns are taken, none of as many equal parts of the round is forgotten or
    /// crowded: what a golden step is for.
    #[test]
    fn turns_are_spread_over_the_round_at_any_time(total in 100u64..5_000, start in 0u64..5_000) {
        let round = Round::of(total);
        let mut parts = [0u32; 10];
        for turn in start..start + 100 {
            let number = round.number(turn % total);
            parts[(number * 10 / total) as usize] += 1;
        }
        prop_assert!(parts.iter().all(|it| (7..=13).contains(it)), "{parts:?}");
    }
}
