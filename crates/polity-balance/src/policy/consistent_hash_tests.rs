//! Tests of what a key does whose endpoint is out or full.

use std::sync::Arc;

use polity_core::SplitMix64;
use proptest::prelude::*;

use crate::policy::{Maglev, Policy, Ring};
use crate::testing::{ask, balancer, endpoints, roster, weighing};
use crate::{Ask, Endpoint, InFlight, Moment, Roster};

type Service = Roster<Arc<Endpoint>>;

fn policies(bound: Option<f32>) -> [Policy; 2] {
    let (ring, maglev) = (Ring::default(), Maglev::default());
    [
        Policy::Ring(Ring { bound, ..ring }),
        Policy::Maglev(Maglev { bound, ..maglev }),
    ]
}

/// Where each of 2,000 keys goes.
fn places(policy: Policy, service: &Service, seed: u64) -> Vec<Option<usize>> {
    let (balancer, mut rng) = (balancer(policy), SplitMix64::new(seed));
    let choose = |number| balancer.choose(service, &ask(number), &mut rng, |_| true);
    (0..2_000).map(choose).collect()
}

#[test]
fn a_key_goes_to_its_endpoint_whoever_asks() {
    for policy in policies(None) {
        let service = roster(policy, &endpoints(50));
        assert_eq!(places(policy, &service, 1), places(policy, &service, 2));
    }
}

/// Two names of one place, or two instances told as one.
#[test]
fn endpoints_that_share_an_identity_share_its_keys_as_others_do() {
    for policy in policies(None) {
        let twin = || Arc::new(Endpoint::new(crate::EndpointSpec::default()));
        let service = roster(policy, &[twin(), twin(), twin()]);
        let places = places(policy, &service, 1);
        for place in 0..3 {
            let share = places.iter().filter(|it| **it == Some(place)).count();
            assert!(
                (500..850).contains(&share),
                "{share} of 2,000 by {policy:?}"
            );
        }
    }
}

#[test]
fn a_request_without_a_key_goes_anywhere() {
    for policy in policies(Some(1.25)) {
        let service = roster(policy, &endpoints(4));
        let (balancer, mut rng) = (balancer(policy), SplitMix64::new(1));
        let mut counts = [0; 4];
        for _ in 0..4_000 {
            if let Some(place) = balancer.choose(&service, &Ask::default(), &mut rng, |_| true) {
                counts[place] += 1;
            }
        }
        assert!(
            counts.iter().all(|it| (850..1_150).contains(it)),
            "{counts:?}"
        );
    }
}

#[test]
fn only_the_keys_of_an_ejected_endpoint_move_and_they_come_back() {
    for policy in policies(None) {
        let all = endpoints(10);
        let service = roster(policy, &all);
        let before = places(policy, &service, 1);
        all[3].eject();
        service.refresh(Moment::default());
        let meanwhile = places(policy, &service, 1);
        let mut heirs = [0; 10];
        for (before, meanwhile) in before.iter().zip(&meanwhile) {
            match (before, meanwhile) {
                (Some(3), Some(heir)) => heirs[*heir] += 1,
                _ => assert_eq!(before, meanwhile),
            }
        }
        assert_eq!(heirs[3], 0);
        let others = heirs.iter().enumerate().filter(|(place, _)| *place != 3);
        for (_, keys) in others {
            assert!((5..60).contains(keys), "{heirs:?}");
        }
        all[3].readmit();
        service.refresh(Moment::default());
        assert_eq!(places(policy, &service, 1), before);
    }
}

#[test]
fn a_roster_made_for_another_policy_serves_too() {
    for policy in policies(Some(1.0)) {
        let service = roster(Policy::Random, &endpoints(3));
        assert!(places(policy, &service, 1).iter().all(Option::is_some));
    }
}

#[test]
fn a_bound_moves_no_key_where_there_is_room() {
    for (free, bound) in policies(None).into_iter().zip(policies(Some(1.25))) {
        let all = endpoints(8);
        let (without, with) = (roster(free, &all), roster(bound, &all));
        assert_eq!(places(free, &without, 1), places(bound, &with, 1));
    }
}

/// Requests stay, and all want the same endpoint, or any of a few. Three of four are begun within a
/// millisecond of another, for which nothing is counted.
fn held(policy: Policy, all: &[Arc<Endpoint>], requests: usize, keys: usize) -> Vec<u64> {
    held_at(policy, all, requests, keys, |number| {
        Moment(1_000 + number / 4)
    })
}

fn held_at(
    policy: Policy,
    all: &[Arc<Endpoint>],
    requests: usize,
    keys: usize,
    moment: impl Fn(u64) -> Moment,
) -> Vec<u64> {
    let service = roster(policy, all);
    let (balancer, mut rng) = (balancer(policy), SplitMix64::new(1));
    let begin = |number: usize| {
        let now = moment(number as u64);
        let ask = Ask {
            now,
            ..ask(number % keys)
        };
        balancer.begin(&service, &ask, &mut rng, |_| true)
    };
    let held: Vec<Option<InFlight<_>>> = (0..requests).map(begin).collect();
    assert!(held.iter().all(Option::is_some));
    all.iter().map(|endpoint| endpoint.in_flight()).collect()
}

#[test]
fn the_one_endpoint_with_room_is_found_wherever_it_is() {
    let weights = [1, 1, 4, 2, 1, 3, 1, 1];
    for policy in policies(Some(1.0)) {
        let loads = held(policy, &weighing(&weights), 25, 1);
        assert_eq!(loads.iter().sum::<u64>(), 25);
        let most = [2, 2, 8, 4, 2, 6, 2, 2];
        let bounded = loads.iter().zip(most).all(|(load, most)| *load <= most);
        assert!(bounded, "{loads:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_endpoint_has_more_than_its_bound_however_keys_are_spread(
        weights in prop::collection::vec(1u32..5, 1..20),
        requests in 1usize..500,
        keys in 1usize..50,
        bound in 1.0f32..2.0,
    ) {
        let total: u32 = weights.iter().sum();
        for policy in policies(Some(bound)) {
            let loads = held(policy, &weighing(&weights), requests, keys);
            for (load, weight) in loads.iter().zip(&weights) {
                let share = requests as f32 * *weight as f32 / total as f32;
                let most = (bound * share * 1.000_01).ceil();
                prop_assert!(*load as f32 <= most, "{loads:?} of {weights:?}, {bound}");
            }
        }
    }
}

#[test]
fn a_burst_within_a_millisecond_is_counted_again_when_all_are_full() {
    for policy in policies(Some(1.0)) {
        let loads = held_at(policy, &endpoints(4), 100, 1, |_| Moment(1_000));
        assert_eq!(loads, [25; 4]);
    }
}

#[test]
fn without_a_bound_a_hot_key_loads_one_endpoint() {
    for policy in policies(None) {
        let loads = held(policy, &endpoints(8), 100, 1);
        assert_eq!(loads.iter().max(), Some(&100));
    }
}

#[test]
fn a_bound_that_is_no_number_or_too_low_is_the_least() {
    for bound in [f32::NAN, 0.0, -1.0] {
        for policy in policies(Some(bound)) {
            assert_eq!(held(policy, &endpoints(4), 100, 1), [25; 4]);
        }
    }
}

#[test]
fn those_that_are_out_have_no_part_in_the_mean() {
    for policy in policies(Some(1.0)) {
        let all = endpoints(6);
        let _old: Vec<_> = (0..500).map(|_| InFlight::begin(all[0].clone())).collect();
        all[0].retire();
        all[1].eject();
        let loads = held(policy, &all, 100, 1);
        assert_eq!(loads, [500, 0, 25, 25, 25, 25]);
    }
}
