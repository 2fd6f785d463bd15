//! Who is let in: what gateway, service or thread cannot bear is refused at once, before it costs anything.
//!
//! Calls between services have bounds of their own, so that a flood from outside does not keep them
//! from finishing what was let in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_core::Rng;
use polity_resilience::{
    AdaptiveLimit, Bulkhead, Overloaded, Place, Priority, Room, Shedder, Waiting,
};

use crate::bulkheads::{CallPlace, Full, Pair, beyond};
use crate::problem::Cause;
use crate::service::Service;

#[cfg(test)]
#[path = "overload_tests.rs"]
mod tests;

/// How many times as long as for the gateway itself (`queue_delay`) requests may stand in line in a
/// service. A queue is no fault yet: one that a handful of clients fills is emptied by them.
const SERVICE_DELAY: u32 = 5;

/// The bounds of requests to a service, the gateway's included: a request looks in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// From outside, to all services.
    gateway: Option<u64>,
    /// What of that one service may take.
    room: Option<Room>,
    /// To this one; once for those from outside, and once for calls.
    service: Option<u64>,
    /// How long they may stand in line there.
    delay: Option<Duration>,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller<'a> {
    Outside,
    Service(&'a Pair),
}

/// A service's counts. They outlive snapshots, as the requests do.
#[derive(Debug)]
pub(crate) struct Load {
    public: Arc<Bulkhead>,
    calls: Arc<Bulkhead>,
    /// Of those from outside, the ones beyond the places that anyone may fill.
    beyond: Arc<Bulkhead>,
    line: Option<Arc<AdaptiveLimit>>,
}

/// A data-plane thread's part.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Requests from outside, over all threads.
    in_flight: InFlight,
    shedder: RefCell<Shedder>,
    /// Its share, where requests look: none, nearly always.
    share: Cell<f64>,
}

/// The gateway's count as one thread holds it: its requests share the thread's share of it, so that
/// only the count itself is written by all threads.
#[derive(Debug, Clone)]
#[expect(
    clippy::redundant_allocation,
    reason = "cloning the outer one costs no atomic instruction"
)]
struct InFlight(Rc<Arc<Bulkhead>>);

/// A request's places, given up when dropped.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    gateway: Option<Place<InFlight>>,
    beyond: Option<Place<Arc<Bulkhead>>>,
    call: Option<CallPlace>,
    service: Option<Place<Arc<Bulkhead>>>,
    waiting: Option<Waiting<Arc<AdaptiveLimit>>>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Thread,
    Gateway,
    /// Of the gateway's room, the service has its share.
    Share,
    /// Of the caller's, it has, or nothing is left of it.
    Call(Full),
    Service,
    Line,
}

impl Bounds {
    pub(crate) fn of(
        service: &polity_plan::Service,
        gateway: &polity_plan::Limits,
        room: Option<Room>,
    ) -> Self {
        // What passes through a tunnel has no latency that could be seen.
        let measured = service.protocol.is_http();
        let delay = gateway.queue_delay.filter(|_| measured);
        Self {
            // Without a limit of its own it is the connections that are shared.
            gateway: match gateway.max_in_flight {
                Some(limit) => Some(u64::from(limit)),
                None => room.map(|_| u64::MAX),
            },
            room,
            service: service.max_in_flight.map(u64::from),
            delay: delay.map(|delay| delay.saturating_mul(SERVICE_DELAY)),
        }
    }
}

impl Load {
    /// The load of a service that is bound so from now on; what is known of it is kept.
    pub(crate) fn new(bounds: &Bounds, known: Option<(&Bounds, &Self)>, now: Instant) -> Self {
        let line = match known {
            Some((before, load)) if before.delay == bounds.delay => load.line.clone(),
            _ => bounds
                .delay
                .map(|delay| Arc::new(AdaptiveLimit::new(delay, now))),
        };
        let count = |of: fn(&Self) -> &Arc<Bulkhead>| {
            let known = known.map(|(_, load)| of(load).clone());
            known.unwrap_or_default()
        };
        Self {
            public: count(|load| &load.public),
            calls: count(|load| &load.calls),
            beyond: count(|load| &load.beyond),
            line,
        }
    }

    /// Whether so many requests stand in line in the service that more are refused.
    pub(crate) fn is_limited(&self) -> bool {
        let line = self.line.as_ref();
        line.is_some_and(|line| line.limit().is_some())
    }

    /// Draws the conclusions of what requests to `service` took, and says when a limit begins or ends.
    pub(crate) fn advance(&self, service: &str, now: Instant) {
        let Some(line) = &self.line else {
            return;
        };
        let before = line.limit();
        line.advance(now);
        match (before, line.limit()) {
            (None, Some(limit)) => tracing::warn!(
                service,
                limit,
                waiting = line.waiting(),
                "requests stand in line in the service: so many may wait for an answer, and more \
                 are refused with 503 until it keeps up"
            ),
            (Some(_), None) => tracing::info!(service, "the service keeps up again"),
            _ => {}
        }
    }
}

impl Gate {
    pub(crate) fn new(in_flight: Arc<Bulkhead>) -> Self {
        Self {
            in_flight: InFlight(Rc::new(in_flight)),
            shedder: RefCell::default(),
            share: Cell::new(0.0),
        }
    }

    /// What was ready on this thread has waited so long; `target` is how long it may.
    pub(crate) fn waited(&self, delay: Duration, target: Option<Duration>) {
        let mut shedder = self.shedder.borrow_mut();
        match target {
            Some(target) => shedder.measured(delay, target, Instant::now()),
            None => *shedder = Shedder::default(),
        }
        let share = shedder.share();
        if self.share.replace(share) == 0.0 && share > 0.0 {
            tracing::warn!(
                delay_ms = delay.as_millis() as u64,
                "the gateway cannot keep up on one of its threads: a share of the requests from \
                 outside is refused with 503"
            );
        }
    }

    /// Lets a request to `service` in.
    ///
    /// # Errors
    /// What there is too much of.
    pub(crate) fn admit(
        &self,
        service: &Service,
        from: Caller<'_>,
        rng: &mut dyn Rng,
        now: Instant,
    ) -> Result<Admission, Refusal> {
        let (bounds, load) = (&service.policy.bounds, &service.load);
        let mut admission = Admission::default();
        let (count, priority) = match from {
            Caller::Outside => (&load.public, Priority::Normal),
            Caller::Service(_) => (&load.calls, Priority::High),
        };
        match from {
            Caller::Outside => {
                let share = self.share.get();
                if share > 0.0 && rng.unit() < share {
                    return Err(Refusal::Thread);
                }
                admission.gateway = place(&self.in_flight, bounds.gateway, Refusal::Gateway)?;
                if let Some(room) = &bounds.room {
                    let beyond = beyond(room, self.in_flight.as_ref(), &load.beyond);
                    admission.beyond = beyond.map_err(|Overloaded| Refusal::Share)?;
                }
            }
            // A connection that is not HTTP may last for days.
            Caller::Service(_) if service.policy.protocol == polity_plan::Protocol::Tcp => {}
            Caller::Service(pair) => {
                admission.call = pair.enter().map_err(Refusal::Call)?;
            }
        }
        admission.service = place(count, bounds.service, Refusal::Service)?;
        if let Some(line) = &load.line {
            let waiting = Waiting::begin(line.clone(), priority, now);
            admission.waiting = Some(waiting.map_err(|Overloaded| Refusal::Line)?);
        }
        Ok(admission)
    }
}

/// A place, where there is a limit.
fn place<H: AsRef<Bulkhead> + Clone>(
    bulkhead: &H,
    limit: Option<u64>,
    refusal: Refusal,
) -> Result<Option<Place<H>>, Refusal> {
    let place = limit.map(|limit| Place::take(bulkhead.clone(), limit));
    place.transpose().map_err(|Overloaded| refusal)
}

impl AsRef<Bulkhead> for InFlight {
    fn as_ref(&self) -> &Bulkhead {
        &self.0
    }
}

impl Admission {
    /// The request is all there, or made again: from here on it is the service that takes its time.
    pub(crate) fn sent(&mut self, now: Instant) {
        if let Some(waiting) = &mut self.waiting {
            waiting.received(now);
        }
    }

    /// The answer has begun: the request stands in no line any more.
    pub(crate) fn answered(&mut self, now: Instant) {
        if let Some(waiting) = self.waiting.take() {
            waiting.answered(now);
        }
    }
}

impl Refusal {
    /// How the client is told.
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::Share | Self::Call(Full::Share) => Cause::Bulkhead,
            _ => Cause::Overloaded,
        }
    }

    /// What to tell it.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Self::Share => {
                "requests to this service hold as much of the gateway as they may: the rest is for other services"
            }
            Self::Call(Full::Share) => {
                "calls to this service hold as much of what the caller may have in flight as they may: the rest is for its other calls"
            }
            Self::Call(Full::Caller) => "the caller has as many calls in flight as it may",
            Self::Thread => "the gateway cannot keep up",
            Self::Gateway => "as many requests are in flight as the gateway takes on",
            Self::Service => "as many requests are in flight as the service takes on",
            Self::Line => "too many requests wait for the service already",
        }
    }
}
