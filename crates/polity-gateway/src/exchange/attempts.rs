//! Which instance an attempt goes to, over what connection, and whether there is another attempt.

use std::time::{Duration, Instant};

use polity_balance::{Ask, InFlight};
use polity_http::{Fault, Replay, Reuse};
use polity_resilience::Backoff;

use super::Exchange;
use crate::destination::Destination;
use crate::instance::Instance;
use crate::moment::moment;
use crate::service::Service;

/// The pause before an instance is tried a second time: there was no other. Short, as somebody
/// waits; an instance that restarts takes longer than any pause would bridge.
const RETRY_BASE: Duration = Duration::from_millis(20);
const RETRY_CAP: Duration = Duration::from_millis(200);

/// How often a request may find its reused connection closed before that counts as a failed attempt.
const STALE_RETRIES: u32 = 2;

/// The pauses of a request that has not been tried.
pub(super) fn backoff() -> Backoff {
    Backoff::new(RETRY_BASE, RETRY_CAP)
}

impl Exchange {
    /// Takes a place at an instance of the service; none where none can be given a request.
    pub(super) fn choose(&mut self, now: Instant) -> Option<InFlight<Instance>> {
        if !self.tried.is_empty() {
            self.refresh();
        }
        let first_look = self
            .service()
            .and_then(|service| self.take_place(service, now));
        first_look.or_else(|| {
            // The snapshot may have been replaced, and its last instance retired, since it was read.
            self.refresh();
            self.service()
                .and_then(|service| self.take_place(service, now))
        })
    }

    /// Over what connection the attempt may go.
    pub(super) fn reuse(&self) -> Reuse {
        match (self.stale == 0, is_idempotent(&self.method)) {
            (false, _) => Reuse::Never,
            (true, true) => Reuse::Likely,
            (true, false) => Reuse::Certain,
        }
    }

    /// Takes a place at an instance that was not tried, or at any if all were.
    fn take_place(&self, service: &Service, now: Instant) -> Option<InFlight<Instance>> {
        let mut rng = self.thread.rng.borrow_mut();
        let balancer = &service.shared.balancer;
        let untried =
            |instance: &Instance| instance.address().is_some() && !self.was_tried(instance);
        let ask = Ask {
            now: moment(now),
            key: self.key,
            ..Ask::default()
        };
        let place = balancer.begin(&service.ready, &ask, &mut *rng, untried);
        place.or_else(|| {
            let resolved = |instance: &Instance| instance.address().is_some();
            let again = !self.tried.is_empty();
            again.then(|| balancer.begin(&service.ready, &ask, &mut *rng, resolved))?
        })
    }

    fn was_tried(&self, instance: &Instance) -> bool {
        self.tried.iter().any(|tried| tried.id == instance.id)
    }

    /// The service as it is now: instances come and go while a request is on its way.
    fn refresh(&mut self) {
        let Destination::Service { service, .. } = &mut self.destination else {
            return;
        };
        let now = self
            .thread
            .look(|snapshot| snapshot.service(service.name.as_str()).cloned());
        if let Some(now) = now {
            *service = now;
        }
    }

    /// Whether the request may be made again after `fault`; if so, that counts.
    pub(super) fn may_retry(&mut self, fault: &Fault, replay: Replay) -> bool {
        let Some(service) = self.service().cloned() else {
            return false;
        };
        let unsent = replay == Replay::NotSent;
        let safe = unsent || (replay == Replay::Held && is_idempotent(&self.method));
        if !safe {
            return false;
        }
        if matches!(fault, Fault::Stale) && self.stale < STALE_RETRIES {
            // Closed before the request came, most likely: nobody has had any work with it.
            self.stale += 1;
            return true;
        }
        // What was never sent has been no load to anybody, so it takes nothing from the budget.
        self.attempts < service.policy.retry.attempts
            && (unsent || service.shared.budget.try_retry(Instant::now()))
    }

    /// How long to wait before that.
    pub(super) fn pause(&mut self, fault: &Fault) -> Duration {
        if matches!(fault, Fault::Stale) {
            // Nothing is wrong with the instance.
            return Duration::ZERO;
        }
        let fresh_one = self.service().is_some_and(|service| {
            service
                .ready
                .iter()
                .any(|instance| !self.was_tried(instance))
        });
        match fresh_one {
            true => Duration::ZERO,
            false => self.backoff.next(&mut *self.thread.rng.borrow_mut()),
        }
    }
}

/// Methods that may be carried out twice (RFC 9110, section 9.2.2).
fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE"
    )
}
