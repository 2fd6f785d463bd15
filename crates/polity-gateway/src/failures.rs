//! Instances that fail: left out by their outliers' detector, or by circuit breakers of their own.

use std::sync::Arc;
use std::time::Instant;

use polity_core::Rng;
use polity_resilience::CircuitBreaker;
use polity_resilience::circuit_breaker::{Change as BreakerChange, Permit, Rejected};
use polity_resilience::outlier::{Change, Ejection, Ended, Ending};

use crate::instance::Instance;
use crate::moment::moment;
use crate::service::{Service, ServicePolicy};

/// What circuit breakers have let an attempt through.
pub(crate) struct Permits {
    instance: Option<Permit<Arc<CircuitBreaker>>>,
    service: Option<Permit<Arc<CircuitBreaker>>>,
}

/// Which circuit breaker does not let an attempt through.
pub(crate) enum NotPermitted {
    /// Another instance's may.
    ByInstance(Rejected),
    /// It is the same for all of them.
    ByService(Rejected),
}

impl Permits {
    /// The attempt at `instance` of `service` has ended so.
    pub(crate) fn report(
        self,
        service: &Service,
        instance: Option<&Instance>,
        ended: Ending,
        now: Instant,
        rng: &mut dyn Rng,
    ) {
        let mut tell = |permit: Permit<_>| match ended {
            Ending::Success => permit.succeeded(now),
            Ending::Error | Ending::NoAnswer => permit.failed(now, rng),
        };
        let service = service.name.as_str();
        let instance = instance.map(|instance| instance.id.as_str());
        log(self.instance.and_then(&mut tell), service, instance);
        log(self.service.and_then(&mut tell), service, None);
    }
}

fn log(change: Option<BreakerChange>, service: &str, instance: Option<&str>) {
    match change {
        Some(BreakerChange::Tripped(reason, period)) => tracing::warn!(
            service,
            instance,
            seconds = period.as_secs(),
            "{reason}: the circuit breaker refuses requests with 503"
        ),
        Some(BreakerChange::Recovered) => tracing::info!(
            service,
            instance,
            "the circuit breaker lets requests through again"
        ),
        None => {}
    }
}

impl Service {
    /// Notes how an attempt at `instance` ended, and leaves it out if that was one failure too many.
    pub(crate) fn judge(&self, instance: &Instance, ended: &Ended) {
        let Some(outliers) = &self.shared.outliers else {
            return;
        };
        if let Some(ejection) = outliers.note(&instance.record, ended, &self.ready) {
            self.eject(instance, &ejection);
            self.refresh(ended.at);
        }
    }

    /// Looks at all instances: which have come to do worse than the others, and whose time is over.
    pub(crate) fn sweep(&self, now: Instant) {
        match &self.shared.outliers {
            Some(outliers) => outliers.sweep(&self.ready, now, |instance, change| match change {
                Change::Ejected(ejection) => self.eject(instance, &ejection),
                Change::Returned => self.readmit(instance),
            }),
            // They were left out under a plan that is no longer in force: under one to come, they begin
            // anew.
            None => {
                let ready = self.ready.iter();
                let out = ready.filter(|instance| instance.endpoint.is_ejected());
                out.for_each(|instance| {
                    instance.record.forgive();
                    self.readmit(instance);
                });
            }
        }
        self.refresh(now);
    }

    /// Draws the conclusions for choices, and says when these begin or cease to be of other instances.
    fn refresh(&self, now: Instant) {
        let ready = &self.ready;
        let before = (ready.is_panicking(), ready.is_short_at_home());
        ready.refresh(moment(now));
        let service = self.name.as_str();
        match (before.0, ready.is_panicking()) {
            (false, true) => tracing::warn!(
                service,
                "so few instances are healthy that those left out get requests too (`panic_threshold`)"
            ),
            (true, false) => tracing::info!(
                service,
                "enough instances are healthy: those left out get no requests"
            ),
            _ => {}
        }
        match (before.1, ready.is_short_at_home()) {
            (false, true) => tracing::warn!(
                service,
                "so few instances of the gateway's own zone are healthy that other zones get requests too"
            ),
            (true, false) => tracing::info!(
                service,
                "enough instances of the gateway's own zone are healthy: it gets all requests"
            ),
            _ => {}
        }
    }

    fn eject(&self, instance: &Instance, ejection: &Ejection) {
        instance.endpoint.eject();
        tracing::warn!(
            service = self.name.as_str(),
            instance = instance.id.as_str(),
            seconds = ejection.period.as_secs(),
            "{}: the instance is left out for a while",
            ejection.reason
        );
    }

    fn readmit(&self, instance: &Instance) {
        if instance.endpoint.readmit() {
            tracing::info!(
                service = self.name.as_str(),
                instance = instance.id.as_str(),
                "the instance gets requests again"
            );
        }
    }

    /// Whether the instance's own circuit breaker, if it has one, would let a request through.
    pub(crate) fn admits(&self, instance: &Instance, now: Instant) -> bool {
        self.policy.circuit_breaker.instance.is_none() || rejection(instance, now).is_none()
    }

    /// Has the circuit breakers let an attempt at `instance` through; none where there are none.
    pub(crate) fn permit(
        &self,
        instance: &Instance,
        now: Instant,
    ) -> Result<Option<Permits>, NotPermitted> {
        let planned = &self.policy.circuit_breaker;
        if planned.instance.is_none() && planned.service.is_none() {
            return Ok(None);
        }
        let begin = |breaker| Permit::begin(breaker, now);
        // The instance's first: a probe of the service is not to wait for one that has nowhere to go.
        let of_instance = planned.instance.and_then(|_| instance.breaker.load_full());
        let of_instance = of_instance.map(begin).transpose();
        let of_service = self.shared.breaker.clone();
        Ok(Some(Permits {
            instance: of_instance.map_err(NotPermitted::ByInstance)?,
            service: of_service
                .map(begin)
                .transpose()
                .map_err(NotPermitted::ByService)?,
        }))
    }

    /// Why an instance's own circuit breaker lets no request through; none if none keeps any off.
    pub(crate) fn rejection(&self, now: Instant) -> Option<Rejected> {
        self.policy.circuit_breaker.instance?;
        let mut ready = self.ready.iter();
        ready.find_map(|instance| rejection(instance, now))
    }
}

fn rejection(instance: &Instance, now: Instant) -> Option<Rejected> {
    instance.breaker.load().as_ref()?.rejection(now)
}

impl Instance {
    /// Why it gets no requests although it is ready; none if it does.
    pub(crate) fn why_left_out(&self, now: Instant) -> Option<String> {
        match (self.record.ejection(), rejection(self, now)) {
            (Some(reason), _) => Some(format!("gets no requests for now: {reason}")),
            (None, Some(rejected)) => Some(format!("gets no requests for now: {rejected}")),
            (None, None) => None,
        }
    }

    /// Its health check has found it well again, and that is newer than what requests have found.
    pub(crate) fn forgive(&self) {
        self.record.forgive();
        self.endpoint.readmit();
    }

    /// Gives it the circuit breaker that `policy` asks for, or none.
    pub(crate) fn guard(&self, policy: &ServicePolicy, now: Instant) {
        let settings = policy.circuit_breaker.instance;
        let breaker = settings.map(|settings| Arc::new(CircuitBreaker::new(settings, now)));
        self.breaker.store(breaker);
    }
}
