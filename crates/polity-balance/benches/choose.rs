//! What a choice costs, for every policy, and what a roster costs that hashes consistently.
//!
//! `cargo bench -p polity-balance`. Endpoints are in `Arc`s in random order, as after hours of coming and
//! going, and each is weighed, heard of and has something to do, so that nothing is skipped that a
//! gateway's choice does.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use polity_balance::{
    Ask, Balancer, Endpoint, EndpointSpec, Factors, InFlight, Maglev, Moment, Observation, Policy,
    ProbeAnswer, Report, Ring, Roster, Settings,
};
use polity_core::{Rng, SplitMix64};

const COUNTS: [usize; 2] = [8, 1_000];
const NOW: Moment = Moment(3_600_000);
/// Different keys, so that neither the processor's caches nor its branch predictor know them.
const KEYS: usize = 1 << 14;

fn policies() -> [(&'static str, Policy); 15] {
    let (ring, maglev, bound) = (Ring::default(), Maglev::default(), Some(1.25));
    [
        ("p2c", Policy::PowerOfTwoChoices(Factors::default())),
        ("round_robin", Policy::RoundRobin),
        ("weighted_round_robin", Policy::WeightedRoundRobin),
        ("random", Policy::Random),
        ("least_connections", Policy::LeastConnections),
        (
            "weighted_least_connections",
            Policy::WeightedLeastConnections,
        ),
        ("least_response_time", Policy::LeastResponseTime),
        ("peak_ewma", Policy::PeakEwma),
        ("join_shortest_queue", Policy::JoinShortestQueue),
        ("prequal", Policy::Prequal),
        ("hash", Policy::Hash),
        ("ring", Policy::Ring(ring)),
        ("ring_bounded", Policy::Ring(Ring { bound, ..ring })),
        ("maglev", Policy::Maglev(maglev)),
        ("maglev_bounded", Policy::Maglev(Maglev { bound, ..maglev })),
    ]
}

/// A service in use: weights, loads and reports differ.
struct Service {
    balancer: Balancer,
    roster: Roster<Arc<Endpoint>>,
    _requests: Vec<InFlight<Arc<Endpoint>>>,
}

impl Service {
    fn new(policy: Policy, count: usize) -> Self {
        let settings = Settings::new(policy);
        let endpoints = endpoints(count);
        let mut rng = SplitMix64::new(2);
        let mut requests = Vec::new();
        let balancer = Balancer::new(settings);
        for endpoint in &endpoints {
            let load = 1 + rng.below(8);
            requests.extend((0..load).filter_map(|_| InFlight::begin(endpoint.clone())));
            let report = Report {
                utilization: Some(0.5 * rng.unit() as f32),
                in_flight: Some(load as u32),
            };
            endpoint.report(&report, NOW);
            let answered = Observation {
                failed: false,
                latency: Some(Duration::from_micros(500 + rng.below(5_000) as u64)),
            };
            balancer.observe(endpoint, &answered, NOW);
        }
        Self {
            balancer,
            roster: Roster::new(&settings, endpoints),
            _requests: requests,
        }
    }

    /// Fills Prequal's pool, which choices use up, and says how many.
    fn probe(&self) -> u64 {
        if self.balancer.settings().policy != Policy::Prequal {
            return u64::MAX;
        }
        let count = self.roster.len().min(16);
        for place in 0..count {
            let answer = ProbeAnswer {
                in_flight: place as u32,
                latency: Duration::from_millis(5),
            };
            self.balancer.probed(&self.roster, place, &answer, NOW);
        }
        count as u64
    }

    fn choose(&self, key: Option<u64>, rng: &mut dyn Rng) -> Option<usize> {
        let ask = Ask {
            now: NOW,
            key,
            ..Ask::default()
        };
        self.balancer
            .choose(&self.roster, black_box(&ask), black_box(rng), |_| true)
    }
}

fn endpoints(count: usize) -> Vec<Arc<Endpoint>> {
    let mut rng = SplitMix64::new(1);
    let mut endpoint = |_| {
        Arc::new(Endpoint::new(EndpointSpec {
            identity: rng.next_u64(),
            weight: 1 + rng.below(4) as u32,
            ..EndpointSpec::default()
        }))
    };
    let mut endpoints: Vec<_> = (0..count).map(&mut endpoint).collect();
    for place in 1..count {
        endpoints.swap(place, rng.below(place + 1));
    }
    endpoints
}

fn choose(criterion: &mut Criterion) {
    let mut keys = SplitMix64::new(4);
    let keys: Vec<u64> = (0..KEYS).map(|_| keys.next_u64()).collect();
    for (name, policy) in policies() {
        let mut group = criterion.benchmark_group(name);
        for count in COUNTS {
            let service = Service::new(policy, count);
            let mut rng = SplitMix64::new(3);
            let mut number = 0;
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter_custom(|iterations| {
                    let (mut took, mut left) = (Duration::ZERO, iterations);
                    while left > 0 {
                        let batch = left.min(service.probe());
                        let start = Instant::now();
                        for _ in 0..batch {
                            number += 1;
                            black_box(service.choose(keys.get(number % KEYS).copied(), &mut rng));
                        }
                        took += start.elapsed();
                        left -= batch;
                    }
                    took
                });
            });
        }
        group.finish();
    }
}

fn prepare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prepare");
    for (name, policy) in [
        ("random", Policy::Random),
        ("ring", Policy::Ring(Ring::default())),
        ("maglev", Policy::Maglev(Maglev::default())),
    ] {
        for count in COUNTS {
            let endpoints = endpoints(count);
            let settings = Settings::new(policy);
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| Roster::new(&settings, endpoints.clone()));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = choose, prepare
}
criterion_main!(all);
