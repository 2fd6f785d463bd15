//! Which instance an attempt goes to, over what connection, and whether there is another attempt.

use std::time::{Duration, Instant};

use polity_balance::{Ask, InFlight};
use polity_http::{Fault, Replay, ResponseHead, Reuse};
use polity_plan::Idempotent;
use polity_resilience::circuit_breaker::Rejected;
use polity_resilience::{Backoff, retry};
use polity_route::normalise;

use super::{Exchange, Unwanted};
use crate::destination::Destination;
use crate::failures::NotPermitted;
use crate::instance::Instance;
use crate::moment::moment;
use crate::service::Service;

/// How often a request may find its reused connection closed before that counts as a failed attempt: once,
/// since a second automatic try should not follow the first (RFC 9112, section 9.3.1), and since the next
/// connection is a new one. So it takes nothing from the budget: a service gets no more of them than
/// there were idle connections to it.
const STALE_RETRIES: u32 = 1;

/// How often an instance that another request was let through to in the same moment is looked past.
const MAX_RACES: usize = 4;

/// Where an attempt may not go.
pub(super) enum Nowhere {
    /// No instance can be given a request.
    NoInstance,
    /// A circuit breaker is open.
    Rejected(Rejected),
}

impl Exchange {
    /// Takes a place at an instance of the service that a circuit breaker lets it through to.
    pub(super) fn choose(&mut self, now: Instant) -> Result<InFlight<Instance>, Nowhere> {
        let mut nowhere = Nowhere::NoInstance;
        for _ in 0..MAX_RACES {
            let Some(place) = self.find_place(now) else {
                let rejected = self.service().and_then(|service| service.rejection(now));
                return Err(rejected.map_or(nowhere, Nowhere::Rejected));
            };
            let permitted = self.service().map(|service| service.permit(&place, now));
            match permitted.unwrap_or(Ok(None)) {
                Ok(permit) => {
                    self.permit = permit;
                    return Ok(place);
                }
                Err(NotPermitted::ByInstance(rejected)) => nowhere = Nowhere::Rejected(rejected),
                Err(NotPermitted::ByService(rejected)) => return Err(Nowhere::Rejected(rejected)),
            }
        }
        Err(nowhere)
    }

    /// Takes a place at an instance of the service; none where none can be given a request.
    fn find_place(&mut self, now: Instant) -> Option<InFlight<Instance>> {
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
        let place = self.take_untried(service, now);
        place.or_else(|| {
            let again = !self.tried.is_empty();
            again.then(|| self.take(service, now, |_| true))?
        })
    }

    /// Takes a place at an instance that was not tried and is not being tried.
    pub(super) fn take_untried(
        &self,
        service: &Service,
        now: Instant,
    ) -> Option<InFlight<Instance>> {
        self.take(service, now, |instance| !self.was_tried(instance))
    }

    fn take(
        &self,
        service: &Service,
        now: Instant,
        wanted: impl Fn(&Instance) -> bool,
    ) -> Option<InFlight<Instance>> {
        let admits = |instance: &Instance| {
            instance.address().is_some() && service.admits(instance, now) && wanted(instance)
        };
        let ask = Ask {
            now: moment(now),
            key: self.key,
            prefers: self.session.and_then(|session| session.instance),
            anywhere: !self.tried.is_empty(),
        };
        let mut rng = self.thread.rng.borrow_mut();
        let balancer = &service.shared.balancer;
        balancer.begin(&service.ready, &ask, &mut *rng, admits)
    }

    /// Whether it was tried or is being tried.
    fn was_tried(&self, instance: &Instance) -> bool {
        let mut tried = self.tried.iter().chain(self.current.as_deref());
        tried.any(|tried| tried.id == instance.id || tried.is_twin_of(instance))
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

    /// Whether the answer is forwarded: not if there is to be another attempt instead.
    pub(super) fn is_good_enough(&mut self, head: &ResponseHead<'_>, replay: Replay) -> bool {
        let Some(ending) = self.covered(head) else {
            return true;
        };
        let wait = match head.header("retry-after") {
            None => Some(Duration::ZERO),
            Some(field) => retry::retry_after(field),
        };
        match self.another(ending, replay, wait) {
            Some(pause) => {
                self.hear(head, Instant::now());
                self.unwanted = Some(Unwanted {
                    status: head.status,
                    pause,
                });
                false
            }
            None => true,
        }
    }

    /// How an attempt ends that is answered so, if that is one of the endings after which there is
    /// another.
    pub(super) fn covered(&self, head: &ResponseHead<'_>) -> Option<retry::Ending> {
        let rules = self.service()?.policy.retry.on;
        if !rules.are_for_answers() {
            return None;
        }
        let grpc = head.header("grpc-status").filter(|_| rules.are_for_grpc());
        let ending = retry::Ending::Answer {
            status: head.status,
            grpc: grpc.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()),
        };
        rules.cover(ending).then_some(ending)
    }

    /// Whether the request may be made again after `fault`; if so that counts, and this is how long to
    /// wait before.
    pub(super) fn retry(&mut self, fault: &Fault, replay: Replay) -> Option<Duration> {
        let ending = match fault {
            Fault::Connect(_) | Fault::ConnectTimeout => retry::Ending::ConnectFailure,
            Fault::AttemptDeadline => retry::Ending::Timeout,
            Fault::Refused | Fault::Stale | Fault::Broke | Fault::Answer(_) | Fault::Idle => {
                retry::Ending::Reset
            }
            _ => return None,
        };
        let safe =
            replay == Replay::NotSent || (replay == Replay::Held && self.may_be_done_twice());
        let was_too_late = matches!(fault, Fault::Stale | Fault::Refused);
        if was_too_late && safe && self.stale < STALE_RETRIES {
            // Closed before the request came, most likely, or about to be: nobody has had any work with
            // it, and nothing is wrong with the instance.
            self.stale += 1;
            // It is counted when it is made again.
            self.attempts = self.attempts.saturating_sub(1);
            return Some(Duration::ZERO);
        }
        self.another(ending, replay, Some(Duration::ZERO))
    }

    /// Whether there is another attempt after one that ended so, and after what pause. `wait` is how long
    /// the instance has asked for at least; none where that is not known. If so, it is counted.
    fn another(
        &mut self,
        ending: retry::Ending,
        replay: Replay,
        wait: Option<Duration>,
    ) -> Option<Duration> {
        let service = self.service()?.clone();
        let policy = &service.policy.retry;
        let is_last = replay == Replay::Impossible || self.attempts >= policy.attempts;
        if is_last || !policy.on.cover(ending) {
            return None;
        }
        let now = Instant::now();
        let request = retry::Request {
            is_idempotent: self.may_be_done_twice(),
            was_sent: replay != Replay::NotSent,
            remaining: self.remaining(now),
        };
        let pause = self.pause(&service, wait, now)?;
        policy.on.permit(ending, &request, pause).ok()?;
        // What was never sent has been no load to anybody, so it takes nothing from the budget.
        (!request.was_sent || service.shared.budget.try_retry(now)).then_some(pause)
    }

    /// How long to wait before another attempt: not at all where there is an instance that was not tried
    /// yet, whatever another has asked for.
    fn pause(
        &mut self,
        service: &Service,
        wait: Option<Duration>,
        now: Instant,
    ) -> Option<Duration> {
        let mut ready = service.ready.iter();
        let is_free = |instance: &Instance| {
            !self.was_tried(instance)
                && !instance.endpoint.is_ejected()
                && service.admits(instance, now)
        };
        if ready.any(is_free) {
            return Some(Duration::ZERO);
        }
        let pause = service.policy.retry.pause;
        let backoff = self
            .backoff
            .get_or_insert_with(|| Backoff::new(pause.base, pause.cap));
        Some(backoff.next(&mut *self.thread.rng.borrow_mut()).max(wait?))
    }

    /// Whether the request may be carried out twice: by its method, or because the plan says so.
    pub(super) fn may_be_done_twice(&self) -> bool {
        let Destination::Service {
            service,
            path,
            target,
            ..
        } = &self.destination
        else {
            return false;
        };
        is_idempotent(&self.method)
            || match &service.policy.retry.idempotent {
                Idempotent::Paths(paths) if paths.is_empty() => false,
                planned => {
                    let asked = target.as_deref().unwrap_or(path);
                    let path = asked.split('?').next().unwrap_or_default();
                    normalise(path).is_ok_and(|path| planned.covers(&path))
                }
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
