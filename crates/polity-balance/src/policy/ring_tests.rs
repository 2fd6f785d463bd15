//! Tests of the ring: which keys move when it changes, and how even it is.

use std::sync::Arc;

use polity_core::Rng as _;
use proptest::prelude::*;

use super::*;
use crate::testing::{endpoints, weighing};

const KEYS: usize = 10_000;

fn points(endpoints: &[Arc<Endpoint>]) -> Points {
    Points::new(Ring::default(), endpoints.iter().map(AsRef::as_ref))
}

fn keys() -> impl Iterator<Item = u64> {
    let mut numbers = SplitMix64::new(3);
    (0..KEYS).map(move |_| numbers.next_u64())
}

/// The identities of the endpoints that keys are with.
fn owners(endpoints: &[Arc<Endpoint>]) -> Vec<Option<u64>> {
    let points = points(endpoints);
    let owner = |key| points.from(key).next().map(|it| endpoints[it].identity());
    keys().map(owner).collect()
}

/// The share of keys of each endpoint.
fn shares(endpoints: &[Arc<Endpoint>]) -> Vec<f64> {
    let owners = owners(endpoints);
    let share = |endpoint: &Arc<Endpoint>| {
        let its = |owner: &&Option<u64>| **owner == Some(endpoint.identity());
        owners.iter().filter(its).count() as f64 / KEYS as f64
    };
    endpoints.iter().map(share).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn only_the_keys_of_an_endpoint_move_when_it_comes_or_goes_and_they_are_few(
        count in 2usize..60, leaving in any::<prop::sample::Index>(), weight in 1u32..1_000
    ) {
        let all = weighing(&vec![weight; count]);
        let mut left = all.clone();
        let gone = left.remove(leaving.index(count));
        let mut moved = 0;
        for (before, after) in owners(&all).iter().zip(owners(&left)) {
            match *before == Some(gone.identity()) {
                true => moved += 1,
                false => prop_assert_eq!(*before, after),
            }
        }
        let bound = 1.0 / count as f64 + 0.05;
        prop_assert!(moved as f64 / KEYS as f64 <= bound, "{moved} of {KEYS} keys of {count} moved");
    }

    /// The others' points are about as many as before, not exactly: the mean weight is another.
    #[test]
    fn few_more_keys_move_where_weights_differ(
        weights in prop::collection::vec(1u32..=10, 8..60), leaving in any::<prop::sample::Index>()
    ) {
        let all = weighing(&weights);
        let mut left = all.clone();
        let leaving = leaving.index(all.len());
        left.remove(leaving);
        let pairs = owners(&all).into_iter().zip(owners(&left));
        let moved = pairs.filter(|(before, after)| before != after).count() as f64 / KEYS as f64;
        let total = weights.iter().sum::<u32>();
        let must = f64::from(weights[leaving]) / f64::from(total);
        prop_assert!(moved <= must + 1.0 / weights.len() as f64 + 0.05, "{moved} moved, not {must}");
    }

    #[test]
    fn the_parts_lead_to_the_point_that_a_search_finds(
        count in 1usize..20, keys in prop::collection::vec(any::<u64>(), 100)
    ) {
        let points = points(&endpoints(count));
        prop_assert!(points.points.is_sorted());
        for key in keys.into_iter().chain([0, u64::MAX]) {
            let found = points.points.partition_point(|it| it >> 32 < key >> 32);
            let expected = points.points[found % points.points.len()] as u32 as usize;
            prop_assert_eq!(points.from(key).next(), Some(expected));
            prop_assert_eq!(points.from(key).count(), points.points.len());
        }
    }
}

#[test]
fn shares_are_as_even_as_the_number_of_points_allows() {
    // The standard deviation is a 16th of the share: five of them.
    for share in shares(&endpoints(10)) {
        assert!((share * 10.0 - 1.0).abs() < 5.0 / 16.0, "{share}");
    }
}

#[test]
fn shares_follow_weights() {
    let weights = [1, 2, 4, 8, 1, 2, 4, 8];
    for (share, weight) in shares(&weighing(&weights)).iter().zip(weights) {
        let of_weight = share * 30.0 / f64::from(weight);
        // The lightest has 68 points.
        assert!((of_weight - 1.0).abs() < 5.0 / 8.2, "{weight}: {share}");
    }
}

#[test]
fn the_keys_of_one_that_is_gone_are_spread_over_all_others() {
    let all = endpoints(8);
    let before = shares(&all);
    let after = shares(&all[1..]);
    let freed = before[0];
    for (before, after) in before[1..].iter().zip(after) {
        let gain = (after - before) / freed;
        assert!((0.05..0.35).contains(&gain), "{gain} of the keys");
    }
}

#[test]
fn nobody_on_the_ring_is_nobody_found() {
    assert_eq!(points(&[]).from(5).next(), None);
}

#[test]
fn there_is_a_bound_to_the_points() {
    let ring = Ring {
        points: u16::MAX,
        bound: None,
    };
    let endpoints = endpoints(100);
    let points = Points::new(ring, endpoints.iter().map(AsRef::as_ref));
    assert!(points.points.len() <= MAX_POINTS);
    assert!(points.points.len() > MAX_POINTS - 100);
}
