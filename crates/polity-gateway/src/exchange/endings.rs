//! What is made of how attempts end: counts, circuit breakers, outliers.

use std::sync::Arc;
use std::time::Instant;

use polity_balance::{InFlight, Observation};
use polity_http::{Fault, ResponseHead};
use polity_resilience::outlier::{self, Ending as Ended};

use super::{Exchange, Unwanted};
use crate::instance::Instance;
use crate::load_report;
use crate::moment::moment;
use crate::problem::Cause;
use crate::service::Service;
use crate::statistics::Ending;

/// How an attempt ended that was answered with this status.
pub(super) fn answered_with(status: u16) -> Ended {
    match status {
        500.. => Ended::Error,
        _ => Ended::Success,
    }
}

/// How an attempt ended that was cut short by `fault`, as far as that says something of the service.
pub(super) fn ended(fault: &Fault, unwanted: Option<&Unwanted>) -> Option<Ended> {
    match unwanted {
        Some(unwanted) => Some(answered_with(unwanted.status)),
        None => fault.is_the_services().then_some(Ended::NoAnswer),
    }
}

impl From<Ended> for Ending {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Success => Self::Success,
            Ended::Error | Ended::NoAnswer => Self::Error,
        }
    }
}

impl Exchange {
    /// The attempt at `place` has ended, as far as it says something of the service.
    pub(super) fn attempt_ended(&mut self, place: &Instance, ended: Option<Ended>, now: Instant) {
        self.report(Some(place), ended, now);
        if let Some(ended) = ended {
            self.note(place, ended, now);
            self.judge(place, ended, now);
        }
    }

    /// Leaves the instance of the current attempt, to which `fault` has put an end.
    pub(super) fn leave(&mut self, fault: &Fault) -> Option<InFlight<Instance>> {
        let place = self.current.take()?;
        if Cause::of(fault) == Cause::ConnectFailed {
            place.address_failed();
        }
        self.tried.push(Instance::clone(&place));
        Some(place)
    }

    /// Tells the circuit breakers that let the attempt through how it ended, once. `place` is where it was,
    /// if it is not there any more.
    pub(super) fn report(&mut self, place: Option<&Instance>, ended: Option<Ended>, now: Instant) {
        let (Some(permit), Some(ended)) = (self.permit.take(), ended) else {
            return;
        };
        if let Some(service) = self.service() {
            let place = place.or(self.current.as_deref());
            permit.report(
                service,
                place,
                ended,
                now,
                &mut *self.thread.rng.borrow_mut(),
            );
        }
    }

    /// Counts an attempt at `place`.
    pub(super) fn note(&self, place: &Instance, ended: Ended, now: Instant) {
        let ending = Ending::from(ended);
        let took = now.saturating_duration_since(self.attempted);
        place.statistics.note(ending, took);
        // A client that leaves before an answer tells nothing of the instance.
        let was_heard = self.upstream_time.is_some() || ending == Ending::Error || self.is_tunnel();
        if let Some(service) = self.service().filter(|_| was_heard) {
            let observation = Observation {
                failed: ending == Ending::Error,
                latency: self.upstream_time,
            };
            let balancer = &service.shared.balancer;
            balancer.observe(&place.endpoint, &observation, moment(now));
        }
    }

    /// Notes what the instance says of itself, where its service's policy wants to know.
    pub(super) fn hear(&self, head: &ResponseHead<'_>, now: Instant) {
        let heeds = |service: &Arc<Service>| service.policy.heeds_reports;
        if let Some(place) = self
            .current
            .as_ref()
            .filter(|_| self.service().is_some_and(heeds))
            && let Some(report) = load_report::read(head)
        {
            place.endpoint.report(&report, moment(now));
        }
    }

    /// Holds the instance against the others.
    pub(super) fn judge(&self, place: &Instance, ended: Ended, now: Instant) {
        if let Some(service) = self.service() {
            let ended = outlier::Ended {
                ending: ended,
                began: self.attempted,
                at: now,
            };
            service.judge(place, &ended);
        }
    }

    /// There will be another attempt after `fault`.
    pub(super) fn note_retry(&mut self, fault: &Fault) {
        self.retried = match fault {
            // Nothing was tried yet.
            Fault::Stale | Fault::Refused => self.retried,
            Fault::Unwanted => Some("status"),
            fault => Some(Cause::of(fault).name()),
        };
    }
}
