//! Tests of what makes an endpoint slow.

use std::sync::Arc;
use std::time::Duration;

use polity_core::SplitMix64;

use crate::{
    Ask, Balancer, Endpoint, EndpointSpec, InFlight, Moment, Observation, Policy, Roster, Settings,
};

const POLICIES: [Policy; 2] = [Policy::LeastResponseTime, Policy::PeakEwma];

struct Setting {
    balancer: Balancer,
    endpoints: Vec<Arc<Endpoint>>,
}

impl Setting {
    fn new(policy: Policy, count: usize) -> Self {
        let endpoint = |_| Arc::new(Endpoint::new(EndpointSpec::default()));
        Self {
            balancer: Balancer::new(Settings::new(policy)),
            endpoints: (0..count).map(endpoint).collect(),
        }
    }

    fn observe(&self, place: usize, latency: Option<u64>) {
        let observation = Observation {
            failed: latency.is_none(),
            latency: Some(Duration::from_millis(latency.unwrap_or(1))),
        };
        self.balancer
            .observe(&self.endpoints[place], &observation, NOW);
    }

    fn counts(&self) -> Vec<usize> {
        let roster = Roster::new(self.balancer.settings(), self.endpoints.clone());
        let (mut counts, mut rng) = (vec![0; self.endpoints.len()], SplitMix64::new(3));
        let ask = Ask {
            now: NOW,
            ..Ask::default()
        };
        for _ in 0..1_000 {
            let place = self.balancer.choose(&roster, &ask, &mut rng, |_| true);
            counts[place.expect("there are some")] += 1;
        }
        counts
    }
}

const NOW: Moment = Moment(100_000);

#[test]
fn the_slow_one_gets_none_and_the_busy_one_what_its_line_allows() {
    for policy in POLICIES {
        let setting = Setting::new(policy, 2);
        setting.observe(0, Some(10));
        setting.observe(1, Some(100));
        assert_eq!(setting.counts(), [1_000, 0], "{policy:?}");
        // Eleven requests of 10 ms are longer than one of 100 ms.
        let busy = (0..10).map(|_| InFlight::begin(setting.endpoints[0].clone()));
        let _busy: Vec<_> = busy.collect();
        assert_eq!(setting.counts(), [0, 1_000], "{policy:?}");
    }
}

#[test]
fn one_that_fails_fast_is_not_taken_for_a_fast_one() {
    for policy in POLICIES {
        let setting = Setting::new(policy, 2);
        for _ in 0..100 {
            setting.observe(0, None);
            setting.observe(1, Some(20));
        }
        setting.observe(0, Some(15));
        assert_eq!(setting.counts(), [0, 1_000], "{policy:?}");
    }
}

#[test]
fn an_unknown_one_is_tried_once_before_it_is_trusted() {
    for policy in POLICIES {
        let setting = Setting::new(policy, 2);
        setting.observe(0, Some(10));
        assert_eq!(setting.counts(), [0, 1_000], "{policy:?}");
        let _first = InFlight::begin(setting.endpoints[1].clone());
        assert_eq!(setting.counts(), [1_000, 0], "{policy:?}");
    }
}

#[test]
fn one_that_has_only_failed_is_no_unknown_one() {
    for policy in POLICIES {
        let setting = Setting::new(policy, 2);
        setting.observe(0, Some(10));
        setting.observe(1, None);
        assert_eq!(setting.counts(), [1_000, 0], "{policy:?}");
    }
}

#[test]
fn the_shortest_line_is_what_an_endpoint_says_or_what_was_sent_there() {
    let setting = Setting::new(Policy::JoinShortestQueue, 2);
    let says = |place: usize, in_flight| {
        let report = crate::Report {
            utilization: None,
            in_flight: Some(in_flight),
        };
        setting.endpoints[place].report(&report, NOW);
    };
    says(0, 7);
    says(1, 3);
    assert_eq!(setting.counts(), [0, 1_000]);
    let sent = (0..8).map(|_| InFlight::begin(setting.endpoints[1].clone()));
    let _sent: Vec<_> = sent.collect();
    assert_eq!(setting.counts(), [1_000, 0]);
}
