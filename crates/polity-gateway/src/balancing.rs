//! From what the plan says of balancing to what the balancer takes.

use polity_balance::{Factors, Maglev, Policy, Ring, Settings, Zone};
use polity_plan::{Balance, BalancePolicy, HashAlgorithm, P2c};

/// How an instance of a service is chosen.
pub(crate) fn settings(balance: &Balance) -> Settings {
    Settings {
        policy: policy(&balance.policy),
        ramp: balance.ramp,
        panic_threshold: balance.panic_threshold as f32,
    }
}

fn policy(planned: &BalancePolicy) -> Policy {
    match planned {
        BalancePolicy::P2c(planned) => Policy::PowerOfTwoChoices(factors(*planned)),
        BalancePolicy::RoundRobin => Policy::RoundRobin,
        BalancePolicy::WeightedRoundRobin => Policy::WeightedRoundRobin,
        BalancePolicy::Random => Policy::Random,
        BalancePolicy::LeastConnections => Policy::LeastConnections,
        BalancePolicy::WeightedLeastConnections => Policy::WeightedLeastConnections,
        BalancePolicy::LeastResponseTime => Policy::LeastResponseTime,
        BalancePolicy::PeakEwma => Policy::PeakEwma,
        BalancePolicy::JoinShortestQueue => Policy::JoinShortestQueue,
        BalancePolicy::Prequal(_) => Policy::Prequal,
        BalancePolicy::Hash(_) => Policy::Hash,
        BalancePolicy::ConsistentHash(planned) => {
            let bound = planned.load.map(|load| load as f32);
            match planned.algorithm {
                HashAlgorithm::Maglev => Policy::Maglev(Maglev {
                    bound,
                    ..Maglev::default()
                }),
                HashAlgorithm::Ring => Policy::Ring(Ring {
                    bound,
                    ..Ring::default()
                }),
            }
        }
    }
}

/// Whether what instances say of themselves makes a difference.
pub(crate) fn heeds_reports(balance: &Balance) -> bool {
    match &balance.policy {
        BalancePolicy::P2c(factors) => factors.utilization_limit.is_some(),
        BalancePolicy::JoinShortestQueue => true,
        _ => false,
    }
}

fn factors(planned: P2c) -> Factors {
    let heeded = Factors {
        failure_limit: planned.failure_limit as f32,
        ..Factors::default()
    };
    match planned.utilization_limit {
        Some(limit) => Factors {
            utilization_limit: limit as f32,
            ..heeded
        },
        // What was reported before reports ceased to count is still remembered for a while.
        None => Factors {
            utilization_limit: f32::INFINITY,
            utilization_cost: 0.0,
            ..heeded
        },
    }
}

/// Where an instance in `zone` is for a gateway in `own`. Whoever does not say counts as near.
pub(crate) fn zone(own: Option<&str>, zone: Option<&str>) -> Zone {
    match (own, zone) {
        (Some(own), Some(zone)) if own != zone => Zone::Other,
        _ => Zone::Own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_elsewhere_only_where_both_zones_are_known() {
        assert_eq!(zone(Some("a"), Some("b")), Zone::Other);
        assert_eq!(zone(Some("a"), Some("a")), Zone::Own);
        assert_eq!(zone(Some("a"), None), Zone::Own);
        assert_eq!(zone(None, Some("b")), Zone::Own);
    }

    #[test]
    fn the_defaults_of_the_plan_are_those_of_the_balancer() {
        let planned = settings(&Balance::default());
        assert_eq!(planned, Settings::new(Policy::default()));
    }

    #[test]
    fn reports_that_do_not_count_rule_nothing_out() {
        let factors = factors(P2c {
            failure_limit: 0.25,
            utilization_limit: None,
        });
        assert_eq!(factors.failure_limit, 0.25);
        assert_eq!(factors.utilization_limit, f32::INFINITY);
        assert_eq!(factors.utilization_cost, 0.0);
    }
}
