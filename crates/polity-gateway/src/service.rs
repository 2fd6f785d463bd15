//! A service in one snapshot: its policy and its instances, over counts that all snapshots share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_balance::{Balancer, Roster, Settings};
use polity_core::ServiceName;
use polity_plan::{Balance, CircuitBreakers, Gateway, Origin, Protocol, Retry, Transcode};
use polity_resilience::hedge::{self, Hedge};
use polity_resilience::outlier::{self, Detector};
use polity_resilience::{CircuitBreaker, RetryBudget, Room};

use crate::balancing::heeds_reports;
use crate::instance::Instance;
use crate::overload::{Bounds, Load};
use crate::sessions::Sessions;
use crate::statistics::{Statistics, Summary};
use crate::transcoding::Transcoding;

/// Retries a second that are allowed however few requests there are.
const RETRY_FLOOR: u32 = 10;

/// A service as requests see it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: ServiceName,
    pub(crate) policy: ServicePolicy,
    pub(crate) shared: Arc<Shared>,
    pub(crate) load: Load,
    /// Those that may be given requests.
    pub(crate) ready: Roster<Instance>,
    /// Those that may not, for now.
    pub(crate) unready: Vec<Instance>,
}

/// What the plan says of its requests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServicePolicy {
    pub(crate) protocol: Protocol,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) hedge: Option<hedge::Settings>,
    pub(crate) transcode: Option<Transcode>,
    pub(crate) circuit_breaker: CircuitBreakers,
    pub(crate) outlier: Option<outlier::Settings>,
    pub(crate) balance: Balance,
    /// Whether instances are listened to when they say how busy they are.
    pub(crate) heeds_reports: bool,
    /// The zone the gateway is in.
    pub(crate) zone: Option<String>,
    pub(crate) locality: Locality,
    pub(crate) bounds: Bounds,
}

/// Whether Polity runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locality {
    Internal,
    /// It answers to a host name of its own.
    External,
}

/// What is kept from one snapshot to the next.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) statistics: Statistics,
    pub(crate) balancer: Balancer,
    pub(crate) budget: RetryBudget,
    /// Where a second instance is asked too.
    pub(crate) hedge: Option<Hedge>,
    /// Where JSON is translated for it.
    pub(crate) transcoding: Option<Arc<Transcoding>>,
    /// Who tells which instances do worse than the others, if that matters.
    pub(crate) outliers: Option<Detector>,
    /// The service's own circuit breaker, if it has one.
    pub(crate) breaker: Option<Arc<CircuitBreaker>>,
    /// Where clients stay with their instances.
    pub(crate) sessions: Option<Sessions>,
}

impl ServicePolicy {
    pub(crate) fn of(
        service: &polity_plan::Service,
        gateway: &Gateway,
        room: Option<Room>,
    ) -> Self {
        Self {
            protocol: service.protocol,
            timeout: service.timeout,
            retry: service.retry.clone(),
            hedge: service.hedge,
            transcode: service.transcode.clone(),
            circuit_breaker: service.circuit_breaker,
            outlier: service.outlier,
            balance: service.balance.clone(),
            heeds_reports: heeds_reports(&service.balance),
            zone: gateway.zone.clone(),
            locality: match service.origin {
                Origin::Run(_) => Locality::Internal,
                Origin::External(_) => Locality::External,
            },
            bounds: Bounds::of(service, &gateway.limits, room),
        }
    }

    /// Whether what is remembered under `other` may be remembered under this one.
    pub(crate) fn remembers_as(&self, other: &Self) -> bool {
        self.balance == other.balance
            && self.retry.budget == other.retry.budget
            && self.hedge == other.hedge
            && self.transcode == other.transcode
            && self.circuit_breaker == other.circuit_breaker
            && self.outlier == other.outlier
    }
}

impl Shared {
    pub(crate) fn new(
        policy: &ServicePolicy,
        settings: Settings,
        sessions: Option<Sessions>,
        now: Instant,
    ) -> Self {
        Self {
            statistics: Statistics::new(now),
            balancer: Balancer::new(settings),
            sessions,
            budget: RetryBudget::new(policy.retry.budget, RETRY_FLOOR, now),
            hedge: policy.hedge.map(|settings| Hedge::new(settings, now)),
            transcoding: policy.transcode.as_ref().map(|_| Arc::default()),
            outliers: policy.outlier.map(|outlier| Detector::new(outlier, now)),
            breaker: policy
                .circuit_breaker
                .service
                .map(|settings| Arc::new(CircuitBreaker::new(settings, now))),
        }
    }
}

impl Service {
    /// All instances, ready or not.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.ready.iter().chain(&self.unready)
    }

    /// Whether the instance may be given requests.
    pub(crate) fn is_ready(&self, instance: &Instance) -> bool {
        self.ready.iter().any(|ready| ready.is(instance))
    }

    /// Why no instance can be given a request, for whoever sent it: clients outside are not told of hosts.
    pub(crate) fn why_nowhere(&self) -> String {
        let name = &self.name;
        let unresolved = |instance: &Instance| instance.address().is_none();
        match self.ready.iter().any(unresolved) {
            true => format!("the name of the host of `{name}` does not resolve to an address"),
            false => format!("no instance of `{name}` is ready"),
        }
    }

    pub(crate) fn summary(&self, now: Instant) -> Summary {
        let instances = self.instances();
        let in_flight = instances
            .map(|instance| instance.endpoint.in_flight())
            .sum();
        self.shared.statistics.summary(now, in_flight)
    }
}
