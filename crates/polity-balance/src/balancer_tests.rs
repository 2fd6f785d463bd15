//! Tests of the policies: what each promises, and what all of them do.

use std::sync::Arc;

use polity_core::SplitMix64;
use proptest::prelude::*;

use super::*;
use crate::testing::{ask, balancer, endpoints, policies, roster};

/// How often each place is chosen in `requests` that end at once.
fn chosen(
    policy: Policy,
    endpoints: &[Arc<Endpoint>],
    requests: usize,
    wanted: impl Fn(&Arc<Endpoint>) -> bool,
) -> Vec<usize> {
    let (balancer, roster) = (balancer(policy), roster(policy, endpoints));
    let mut rng = SplitMix64::new(11);
    let mut counts = vec![0; endpoints.len()];
    for number in 0..requests {
        if let Some(place) = balancer.choose(&roster, &ask(number), &mut rng, &wanted) {
            counts[place] += 1;
        }
    }
    counts
}

#[test]
fn an_idle_service_is_loaded_evenly_by_every_policy() {
    for policy in policies() {
        let counts = chosen(policy, &endpoints(5), 10_000, |_| true);
        assert!(
            counts.iter().all(|count| (1_800..2_200).contains(count)),
            "{policy:?}: {counts:?}"
        );
    }
}

#[test]
fn the_load_of_one_that_is_out_is_shared_by_all_others() {
    for policy in policies() {
        let endpoints = endpoints(5);
        let out = endpoints[1].clone();
        let counts = chosen(policy, &endpoints, 10_000, |endpoint| {
            !Arc::ptr_eq(endpoint, &out)
        });
        assert_eq!(counts[1], 0, "{policy:?}");
        let others = [0, 2, 3, 4].map(|place| counts[place]);
        assert!(
            others.iter().all(|count| (2_250..2_750).contains(count)),
            "{policy:?}: {counts:?}"
        );
    }
}

#[test]
fn the_only_candidate_is_found_among_many() {
    for policy in policies() {
        let endpoints = endpoints(1_000);
        for endpoint in endpoints.iter().take(999) {
            endpoint.retire();
        }
        let counts = chosen(policy, &endpoints, 10, |_| true);
        assert_eq!(counts[999], 10, "{policy:?}");
    }
}

#[test]
fn a_few_candidates_among_many_share_the_load() {
    for policy in policies() {
        let endpoints = endpoints(100);
        let few: Vec<_> = [3, 50, 51].map(|place| endpoints[place].clone()).into();
        let counts = chosen(policy, &endpoints, 3_000, |endpoint| {
            few.iter().any(|one| Arc::ptr_eq(endpoint, one))
        });
        let of_few = [3, 50, 51].map(|place| counts[place]);
        assert!(
            of_few.iter().all(|count| (900..1_100).contains(count)),
            "{policy:?}: {of_few:?}"
        );
    }
}

#[test]
fn round_robin_finds_the_one_candidate_whose_turns_others_take() {
    let balancer = balancer(Policy::RoundRobin);
    let endpoints = endpoints(2);
    // Another thread takes a turn whenever this one has looked at the first endpoint, so this one
    // is never given the second's.
    let other_thread = || {
        balancer.choose(
            &roster(Policy::RoundRobin, &endpoints),
            &Ask::default(),
            &mut SplitMix64::new(1),
            |_| true,
        )
    };
    let wanted = |endpoint: &Arc<Endpoint>| {
        let is_first = Arc::ptr_eq(endpoint, &endpoints[0]);
        !is_first || other_thread().is_none()
    };
    let chosen = balancer.choose(
        &roster(Policy::RoundRobin, &endpoints),
        &Ask::default(),
        &mut SplitMix64::new(2),
        wanted,
    );
    assert_eq!(chosen, Some(1));
}

#[test]
fn round_robin_goes_round() {
    let balancer = balancer(Policy::RoundRobin);
    let roster = roster(Policy::RoundRobin, &endpoints(3));
    let mut rng = SplitMix64::new(1);
    let places: Vec<_> = (0..7)
        .filter_map(|_| balancer.choose(&roster, &Ask::default(), &mut rng, |_| true))
        .collect();
    assert_eq!(places, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn least_connections_levels() {
    let balancer = balancer(Policy::LeastConnections);
    let endpoints = endpoints(3);
    let roster = roster(Policy::LeastConnections, &endpoints);
    let mut rng = SplitMix64::new(2);
    let _busy: Vec<_> = (0..4)
        .map(|_| InFlight::begin(endpoints[0].clone()))
        .collect();
    let _more: Vec<_> = (0..8)
        .map(|_| balancer.begin(&roster, &Ask::default(), &mut rng, |_| true))
        .collect();
    let loads: Vec<u64> = endpoints
        .iter()
        .map(|endpoint| endpoint.in_flight())
        .collect();
    assert_eq!(loads, [4, 4, 4]);
}

#[test]
fn two_choices_avoid_a_busy_endpoint_and_never_choose_the_busiest_of_all() {
    let endpoints = endpoints(4);
    let _busy: Vec<_> = (0..9)
        .map(|_| InFlight::begin(endpoints[2].clone()))
        .collect();
    let counts = chosen(Policy::default(), &endpoints, 10_000, |_| true);
    assert_eq!(counts[2], 0);
}

/// Requests that stay: two choices keep the fullest close to the mean, where one choice does not
/// (log log n against log n / log log n over the mean).
#[test]
fn two_choices_are_far_more_even_than_one() {
    let fullest = |policy| {
        let balancer = balancer(policy);
        let endpoints = endpoints(100);
        let roster = roster(policy, &endpoints);
        let mut rng = SplitMix64::new(3);
        let held: Vec<_> = (0..10_000)
            .map(|_| balancer.begin(&roster, &Ask::default(), &mut rng, |_| true))
            .collect();
        assert!(held.iter().all(Option::is_some));
        endpoints.iter().map(|endpoint| endpoint.in_flight()).max()
    };
    assert!(fullest(Policy::default()) <= Some(104));
    assert!(fullest(Policy::Random) >= Some(115));
}

#[test]
fn a_cancelled_request_is_counted_out() {
    let balancer = balancer(Policy::Random);
    let endpoints = endpoints(1);
    let mut rng = SplitMix64::new(4);
    let request = balancer.begin(
        &roster(Policy::Random, &endpoints),
        &Ask::default(),
        &mut rng,
        |_| true,
    );
    assert_eq!(endpoints[0].in_flight(), 1);
    // A future that is dropped drops what it holds.
    drop(async move { request.map(|held| Arc::strong_count(&held)) });
    assert_eq!(endpoints[0].in_flight(), 0);
}

proptest! {
    #[test]
    fn every_policy_finds_a_candidate_if_there_is_one(
        states in prop::collection::vec((any::<bool>(), any::<bool>(), 0u8..4), 0..20),
        seed in any::<u64>(),
    ) {
        let endpoints = endpoints(states.len());
        let wanted = |endpoint: &Arc<Endpoint>| {
            let place = endpoints.iter().position(|other| Arc::ptr_eq(endpoint, other));
            place.is_some_and(|place| states[place].0)
        };
        let mut held = Vec::new();
        for (endpoint, (_, retired, load)) in endpoints.iter().zip(&states) {
            held.extend((0..*load).map(|_| InFlight::begin(endpoint.clone())));
            if *retired {
                endpoint.retire();
            }
        }
        let possible = states.iter().any(|(wanted, retired, _)| *wanted && !retired);
        for policy in policies() {
            let (balancer, roster) = (balancer(policy), roster(policy, &endpoints));
            let mut rng = SplitMix64::new(seed);
            for number in 0..5 {
                let begun = balancer.begin(&roster, &ask(number), &mut rng, wanted);
                prop_assert_eq!(begun.is_some(), possible);
                if let Some(request) = begun {
                    prop_assert!(wanted(&request) && !request.is_retired());
                }
            }
        }
    }
}
