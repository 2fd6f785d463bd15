//! What tests of every policy are made of.

use std::sync::Arc;

use polity_core::{Rng, SplitMix64};

use crate::{Ask, Balancer, Endpoint, EndpointSpec, Maglev, Policy, Ring, Roster, Settings};

/// All that can be chosen by.
pub(crate) fn policies() -> [Policy; 15] {
    [
        Policy::default(),
        Policy::RoundRobin,
        Policy::WeightedRoundRobin,
        Policy::LeastConnections,
        Policy::WeightedLeastConnections,
        Policy::LeastResponseTime,
        Policy::PeakEwma,
        Policy::JoinShortestQueue,
        Policy::Prequal,
        Policy::Random,
        Policy::Hash,
        Policy::Ring(RING),
        Policy::Maglev(Maglev::default()),
        Policy::Ring(Ring {
            bound: Some(1.25),
            ..RING
        }),
        Policy::Maglev(Maglev {
            bound: Some(1.25),
            ..Maglev::default()
        }),
    ]
}

/// So many points that its shares are as even as tests ask of all.
const RING: Ring = Ring {
    points: 1_024,
    bound: None,
};

pub(crate) fn balancer(policy: Policy) -> Balancer {
    Balancer::new(Settings::new(policy))
}

pub(crate) fn roster(policy: Policy, endpoints: &[Arc<Endpoint>]) -> Roster<Arc<Endpoint>> {
    Roster::new(&Settings::new(policy), endpoints.to_vec())
}

/// Endpoints of these weights, with identities of their own.
pub(crate) fn weighing(weights: &[u32]) -> Vec<Arc<Endpoint>> {
    let mut identities = SplitMix64::new(7);
    let endpoint = |weight: &u32| {
        Arc::new(Endpoint::new(EndpointSpec {
            identity: identities.next_u64(),
            weight: *weight,
            ..EndpointSpec::default()
        }))
    };
    weights.iter().map(endpoint).collect()
}

pub(crate) fn endpoints(count: usize) -> Vec<Arc<Endpoint>> {
    weighing(&vec![1; count])
}

/// A request like no other.
pub(crate) fn ask(number: usize) -> Ask {
    Ask {
        key: Some(SplitMix64::new(number as u64).next_u64()),
        ..Ask::default()
    }
}
