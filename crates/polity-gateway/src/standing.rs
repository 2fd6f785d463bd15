//! How an instance stands with those who choose among instances: what an operator asks when one gets
//! less than another.

use std::time::Instant;

use crate::instance::Instance;
use crate::moment::moment;
use crate::service::Service;

/// How an instance stands beside the others of its service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Its capacity, beside the others'.
    pub weight: u32,
    /// Whether it is left out for its failures, for now.
    pub is_ejected: bool,
    /// The rate of failures among its latest requests, 0 to 1; less with time.
    pub failure_rate: f32,
    /// What it last reported of how much of it is in use; less with time, and none when it has reported
    /// nothing lately.
    pub utilization: Option<f32>,
    /// What it is given of its share, 0 to 1: less than 1 while it is newer than others.
    pub share: f32,
}

impl Standing {
    pub(crate) fn of(instance: &Instance, service: &Service, now: Instant) -> Self {
        let (endpoint, now) = (&instance.endpoint, moment(now));
        let balancer = &service.shared.balancer;
        Self {
            weight: endpoint.weight(),
            is_ejected: endpoint.is_ejected(),
            failure_rate: endpoint.failure_rate(now),
            utilization: Some(endpoint.utilization(now)).filter(|it| *it > 0.0),
            share: balancer.share(&service.ready, endpoint, now),
        }
    }
}
