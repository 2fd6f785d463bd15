//! What holds for every policy, whatever endpoints there are.

use std::sync::Arc;
use std::time::Duration;

use polity_core::SplitMix64;
use proptest::prelude::*;

use crate::testing::{ask, balancer, endpoints, policies, roster, weighing};
use crate::{
    Ask, Balancer, Endpoint, EndpointSpec, InFlight, MEMORY, Moment, Observation, Policy,
    ProbeAnswer, Report, Roster, Settings, Zone,
};

/// An endpoint in any state.
#[derive(Debug, Clone)]
struct Any {
    spec: EndpointSpec,
    wanted: bool,
    retired: bool,
    ejected: bool,
    in_flight: u8,
    observations: Vec<(bool, Option<u64>)>,
    report: Report,
    seen: Moment,
}

fn moments() -> impl Strategy<Value = Moment> {
    prop_oneof![0..100_000u64, any::<u64>()].prop_map(Moment)
}

fn specs() -> impl Strategy<Value = EndpointSpec> {
    let weights = prop_oneof![Just(1), 0..200u32, any::<u32>()];
    let zones = prop_oneof![Just(Zone::Own), Just(Zone::Other)];
    let identities = prop_oneof![0..4u64, any::<u64>()];
    (identities, weights, zones, moments()).prop_map(|(identity, weight, zone, since)| {
        EndpointSpec {
            identity,
            weight,
            zone,
            since,
        }
    })
}

fn reports() -> impl Strategy<Value = Report> {
    let utilization = prop::option::of(prop_oneof![0f32..2.0, any::<f32>()]);
    let in_flight = prop::option::of(any::<u32>());
    (utilization, in_flight).prop_map(|(utilization, in_flight)| Report {
        utilization,
        in_flight,
    })
}

fn any_endpoint() -> impl Strategy<Value = Any> {
    let marks = (any::<bool>(), prop::bool::weighted(0.2), any::<bool>());
    let observation = (any::<bool>(), prop::option::of(any::<u64>()));
    let observations = prop::collection::vec(observation, 0..4);
    let parts = (specs(), marks, 0u8..4, observations, reports(), moments());
    parts.prop_map(
        |(spec, (wanted, retired, ejected), in_flight, observations, report, seen)| Any {
            spec,
            wanted,
            retired,
            ejected,
            in_flight,
            observations,
            report,
            seen,
        },
    )
}

type Requests = Vec<Option<InFlight<Arc<Endpoint>>>>;

/// The endpoints in their states, and the requests they have.
fn bring_about(states: &[Any], balancer: &Balancer) -> (Vec<Arc<Endpoint>>, Requests) {
    let mut requests = Vec::new();
    let endpoint = |state: &Any| {
        let endpoint = Arc::new(Endpoint::new(state.spec));
        requests.extend((0..state.in_flight).map(|_| InFlight::begin(endpoint.clone())));
        for (failed, latency) in &state.observations {
            let observation = Observation {
                failed: *failed,
                latency: latency.map(Duration::from_millis),
            };
            balancer.observe(&endpoint, &observation, state.seen);
        }
        endpoint.report(&state.report, state.seen);
        if state.ejected {
            endpoint.eject();
        }
        if state.retired {
            endpoint.retire();
        }
        endpoint
    };
    (states.iter().map(endpoint).collect(), requests)
}

proptest! {
    /// And so no ejected endpoint, and no panic of ours.
    #[test]
    fn every_policy_chooses_one_that_may_be_chosen_if_there_is_one(
        states in prop::collection::vec(any_endpoint(), 0..12),
        now in moments(),
        key in prop::option::of(any::<u64>()),
        prefers in prop::option::of(0..4u64),
        anywhere in any::<bool>(),
        panic_threshold in 0f32..1.5,
        seed in any::<u64>(),
    ) {
        for policy in policies() {
            let settings = Settings { panic_threshold, ..Settings::new(policy) };
            let balancer = Balancer::new(settings);
            let (endpoints, _requests) = bring_about(&states, &balancer);
            let roster = Roster::new(&settings, endpoints.clone());
            let wanted = |endpoint: &Arc<Endpoint>| {
                let place = endpoints.iter().position(|it| Arc::ptr_eq(it, endpoint));
                place.is_some_and(|place| states[place].wanted)
            };
            let may = |endpoint: &Arc<Endpoint>| {
                let is_in = !endpoint.is_ejected() || roster.is_panicking();
                is_in && !endpoint.is_retired() && wanted(endpoint)
            };
            let possible = endpoints.iter().any(may);
            let mut rng = SplitMix64::new(seed);
            for place in balancer.to_probe(&roster, &mut rng).collect::<Vec<_>>() {
                let answer = ProbeAnswer { in_flight: seed as u32, latency: Duration::from_millis(seed) };
                balancer.probed(&roster, place, &answer, now);
            }
            for _ in 0..3 {
                let ask = Ask { now, key, prefers, anywhere };
                let chosen = balancer.choose(&roster, &ask, &mut rng, wanted);
                prop_assert_eq!(chosen.is_some(), possible, "{:?}", policy);
                if let Some(place) = chosen {
                    prop_assert!(may(&roster[place]), "{policy:?} chose {place}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_left_of_any_statistic_after_its_memory(
        report in reports(),
        observations in prop::collection::vec((any::<bool>(), 0..100_000u64, 0..5_000u64), 0..40),
        later in 0..1_000_000u64,
    ) {
        for policy in policies() {
            let (balancer, endpoint) = (balancer(policy), Endpoint::new(EndpointSpec::default()));
            let mut now = Moment(1_000);
            endpoint.report(&report, now);
            for (failed, latency, pause) in &observations {
                now.0 += pause;
                let latency = Some(Duration::from_micros(*latency));
                balancer.observe(&endpoint, &Observation { failed: *failed, latency }, now);
            }
            let then = Moment(now.0 + MEMORY.as_millis() as u64 + later);
            prop_assert_eq!(endpoint.failure_rate(then), 0.0);
            prop_assert_eq!(endpoint.utilization(then), 0.0);
            prop_assert_eq!(endpoint.queue(then), 0.0);
            prop_assert_eq!(endpoint.latency().average(then), None);
        }
    }

    #[test]
    fn a_rotation_gives_each_endpoint_its_weight_in_every_round_and_evenly_spread(
        weights in prop::collection::vec(1u32..40, 1..12), start in 0usize..500
    ) {
        let total = weights.iter().sum::<u32>() as usize;
        let turns = chosen(Policy::WeightedRoundRobin, &weighing(&weights), start + 2 * total);
        let turns = &turns[start..];
        for (place, weight) in weights.iter().enumerate() {
            let weight = *weight as usize;
            let is_its = |turn: &usize| turns[*turn] == place;
            prop_assert_eq!((0..total).filter(is_its).count(), weight);
            let its: Vec<usize> = (0..2 * total).filter(is_its).collect();
            let gap = its.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            prop_assert!(gap * weight <= 3 * total, "{gap} between turns of {weight} in {total}");
        }
    }

    #[test]
    fn chance_keeps_to_weights_within_five_sigma(weights in prop::collection::vec(1u32..100, 1..10)) {
        for policy in [Policy::Random, Policy::Hash] {
            let counts = counts(&chosen(policy, &weighing(&weights), REQUESTS), weights.len());
            let total = weights.iter().sum::<u32>();
            for (count, weight) in counts.iter().zip(&weights) {
                let share = f64::from(*weight) / f64::from(total);
                prop_assert!(is_within_five_sigma(*count, share), "{policy:?}: {counts:?}");
            }
        }
    }
}

const REQUESTS: usize = 4_000;

fn is_within_five_sigma(count: usize, share: f64) -> bool {
    let mean = REQUESTS as f64 * share;
    (count as f64 - mean).abs() <= 5.0 * (mean * (1.0 - share)).sqrt() + 1.0
}

/// The places of requests that end at once.
fn chosen(policy: Policy, endpoints: &[Arc<Endpoint>], requests: usize) -> Vec<usize> {
    let roster = roster(policy, endpoints);
    let (balancer, mut rng) = (balancer(policy), SplitMix64::new(9));
    let choose = |number| balancer.choose(&roster, &ask(number), &mut rng, |_| true);
    (0..requests).filter_map(choose).collect()
}

fn counts(chosen: &[usize], places: usize) -> Vec<usize> {
    let mut counts = vec![0; places];
    chosen.iter().for_each(|place| counts[*place] += 1);
    counts
}

#[test]
fn equals_share_evenly_within_five_sigma_by_policies_that_look_at_two() {
    for policy in [Policy::default(), Policy::PeakEwma] {
        let counts = counts(&chosen(policy, &endpoints(8), REQUESTS), 8);
        let is_fair = |count: &usize| is_within_five_sigma(*count, 1.0 / 8.0);
        assert!(counts.iter().all(is_fair), "{policy:?}: {counts:?}");
    }
}

#[test]
fn requests_that_stay_are_spread_by_weight() {
    let weights = [1, 2, 3, 4];
    for policy in [Policy::default(), Policy::WeightedLeastConnections] {
        let endpoints = weighing(&weights);
        for endpoint in &endpoints {
            answered(endpoint);
        }
        let roster = roster(policy, &endpoints);
        let (balancer, mut rng) = (balancer(policy), SplitMix64::new(3));
        let begin = |number| balancer.begin(&roster, &ask(number), &mut rng, |_| true);
        let _held: Vec<_> = (0..1_000).map(begin).collect();
        for (endpoint, weight) in endpoints.iter().zip(weights) {
            let off = endpoint.in_flight().abs_diff(100 * u64::from(weight));
            assert!(off <= 5, "{policy:?}: {off} from its share");
        }
    }
}

fn answered(endpoint: &Endpoint) {
    let answer = Observation {
        failed: false,
        latency: None,
    };
    balancer(Policy::Random).observe(endpoint, &answer, Moment(0));
}

/// One of five that came at 100 s among others from the start.
fn share_of_new_one(policy: Policy, at: u64) -> f64 {
    let spec = |place: u64| EndpointSpec {
        identity: place,
        since: Moment(if place == 0 { 100_000 } else { 0 }),
        ..EndpointSpec::default()
    };
    let endpoints: Vec<_> = (0..5)
        .map(|place| Arc::new(Endpoint::new(spec(place))))
        .collect();
    let roster = roster(policy, &endpoints);
    let (balancer, mut rng) = (balancer(policy), SplitMix64::new(6));
    let now = Moment(100_000 + at);
    let choose = |number| balancer.choose(&roster, &Ask { now, ..ask(number) }, &mut rng, |_| true);
    let places: Vec<_> = (0..REQUESTS).filter_map(choose).collect();
    counts(&places, 5)[0] as f64
}

#[test]
fn the_share_of_a_new_endpoint_grows_along_a_line() {
    for policy in policies().into_iter().filter(Policy::ramps) {
        for (at, part) in [
            (0, 0.1),
            (30_000, 0.4),
            (60_000, 0.7),
            (90_000, 1.0),
            (200_000, 1.0),
        ] {
            let count = share_of_new_one(policy, at);
            let share = part / (4.0 + part);
            let is_right = is_within_five_sigma(count as usize, share);
            assert!(is_right, "{policy:?}: {count} of {REQUESTS} after {at} ms");
        }
    }
}

#[test]
fn where_all_are_new_none_is_held_back() {
    for policy in policies().into_iter().filter(Policy::ramps) {
        for since in [[0; 5], [0, 0, 1, 2, 3]] {
            let spec = |since| EndpointSpec {
                since: Moment(since),
                ..EndpointSpec::default()
            };
            let endpoints = since.map(|since| Arc::new(Endpoint::new(spec(since))));
            let counts = counts(&chosen(policy, &endpoints, REQUESTS), 5);
            let is_fair = |count: &usize| is_within_five_sigma(*count, 0.2);
            assert!(counts.iter().all(is_fair), "{policy:?}: {counts:?}");
        }
    }
}

#[test]
fn the_share_of_a_new_endpoint_can_be_seen() {
    let endpoints = [0, 0, 100_000].map(|since| {
        Arc::new(Endpoint::new(EndpointSpec {
            since: Moment(since),
            ..EndpointSpec::default()
        }))
    });
    for policy in policies() {
        let (roster, balancer) = (roster(policy, &endpoints), balancer(policy));
        let shares = |at: u64| {
            endpoints
                .iter()
                .map(|it| balancer.share(&roster, it, Moment(100_000 + at)))
                .collect::<Vec<_>>()
        };
        let first = if policy.ramps() { 0.1 } else { 1.0 };
        assert_eq!(shares(0), [1.0, 1.0, first], "{policy:?}");
        assert_eq!(shares(90_000), [1.0; 3], "{policy:?}");
    }
}
