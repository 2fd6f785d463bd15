//! One request at the gateway: which instance it is at, whether it may go to another, and what is noted about it.

mod affinity;
mod attempts;
mod begin;
mod calls;
mod endings;
mod hedging;
mod loser;
mod record;
mod refusals;
mod security;
mod site;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_balance::InFlight;
use polity_http::text::AddressText;
use polity_http::translate::Translate;
use polity_http::{
    Abandoned, Encoder, Fault, Here, Next, Outcome, Racer, Replay, RequestHead, ResponseHead,
    Scheme, Target,
};
use polity_resilience::Backoff;
use polity_resilience::outlier::Ending as Ended;

use self::attempts::Nowhere;
use self::endings::ended;
use self::hedging::Hedge;
pub(crate) use self::security::{HSTS, line as hsts_line};
use crate::compression::Compression;
use crate::destination::Destination;
use crate::failures::Permits;
use crate::fields::{self, Added, Trust};
use crate::grpc::Call;
use crate::instance::Instance;
use crate::load_report;
use crate::overload::Admission;
use crate::policy::{Listener, Thread};
use crate::problem::{Cause, REASON, Reached};
use crate::service::{Locality, Service};
use crate::sessions::Session;
use crate::statistics::Ending;
use crate::trace::{RequestId, TraceParent};
use crate::treatment::Treated;

/// A request, or a tunnelled connection, on its way.
pub(crate) struct Exchange {
    thread: Rc<Thread>,
    listener: Listener,
    peer: AddressText,
    scheme: Scheme,
    /// Who the client's certificate says it is.
    identity: Option<Arc<str>>,
    /// A line that answers have, where they go over TLS.
    pub(crate) hsts: Option<Arc<[u8]>>,
    trust: Trust,
    arrived: Instant,
    /// When the request was all there, which is when its time began to run.
    received: Option<Instant>,
    method: Cow<'static, str>,
    destination: Destination,
    request_id: RequestId,
    trace: Option<TraceParent>,
    timeout: Duration,
    /// What the service's policy tells it apart by.
    key: Option<u64>,
    /// Its session, where its service has such.
    session: Option<Session>,
    /// Its places, once it has been let in.
    admission: Option<Admission>,
    current: Option<InFlight<Instance>>,
    tried: Vec<Instance>,
    attempts: u32,
    stale: u32,
    /// None before the first pause.
    backoff: Option<Backoff>,
    /// What lets the attempt through that is being made.
    permit: Option<Permits>,
    /// Whether another attempt may be made beside a slow one.
    may_hedge: bool,
    /// There once that is being done, or was.
    hedge: Option<Box<Hedge>>,
    /// The answer that another attempt is made instead of.
    unwanted: Option<Unwanted>,
    /// Whether an attempt may have reached the service.
    was_sent: bool,
    /// Why the last attempt but one was not the last.
    retried: Option<&'static str>,
    attempted: Instant,
    /// From the last attempt to the first byte of its answer.
    upstream_time: Option<Duration>,
    reason: Option<&'static str>,
    /// Where it is a call of gRPC, to what may know that.
    call: Option<Box<Call>>,
}

/// An answer that is not forwarded.
struct Unwanted {
    status: u16,
    /// Before the next attempt.
    pause: Duration,
}

impl Exchange {
    fn service(&self) -> Option<&Arc<Service>> {
        match &self.destination {
            Destination::Service { service, .. } => Some(service),
            Destination::Site { .. } | Destination::Here { .. } | Destination::Nowhere { .. } => {
                None
            }
        }
    }

    /// What the route does to request and answer, if anything.
    fn treated(&self) -> Option<&Treated> {
        match &self.destination {
            Destination::Service { treated, .. } => treated.as_deref(),
            Destination::Site { .. } | Destination::Here { .. } | Destination::Nowhere { .. } => {
                None
            }
        }
    }

    /// What is compressed of its answer, where that is on.
    fn compression(&self) -> Option<&Compression> {
        match &self.destination {
            Destination::Service { compression, .. } => compression.as_deref(),
            Destination::Site { .. } | Destination::Here { .. } | Destination::Nowhere { .. } => {
                None
            }
        }
    }

    fn compression_mut(&mut self) -> Option<&mut Compression> {
        match &mut self.destination {
            Destination::Service { compression, .. } => compression.as_deref_mut(),
            Destination::Site { .. } | Destination::Here { .. } | Destination::Nowhere { .. } => {
                None
            }
        }
    }

    /// What is left of the time.
    fn remaining(&self, now: Instant) -> Duration {
        let passed = self
            .received
            .map(|since| now.saturating_duration_since(since));
        self.timeout.saturating_sub(passed.unwrap_or_default())
    }
}

impl polity_http::Exchange for Exchange {
    fn next(&mut self) -> Result<Target, Here> {
        match &self.destination {
            Destination::Service { .. } => {}
            Destination::Site { .. } => return Err(self.look_in_site()),
            Destination::Here { answer, .. } => return Err(self.secured(answer.clone()).into()),
            Destination::Nowhere { cause, detail, .. } => {
                let (cause, detail) = (*cause, detail.clone());
                return Err(self.give(cause, Reached::No, &detail).into());
            }
        }
        self.admit()?;
        let first = self.attempts == 0 && self.stale == 0;
        // The first is made as soon as the request is there.
        let now = match first {
            true => self.arrived,
            false => Instant::now(),
        };
        let target = self.choose(now).and_then(|place| match place.address() {
            Some(address) => Ok((address, place)),
            None => Err(Nowhere::NoInstance),
        });
        let (address, place) = match target {
            Ok(target) => target,
            Err(nowhere) => return Err(self.give_nowhere(&nowhere).into()),
        };
        if let Some(service) = self.service().filter(|_| first) {
            service.shared.budget.note_request(now);
            service.ask_some(&mut *self.thread.rng.borrow_mut());
        }
        self.attempts += 1;
        self.attempted = now;
        if let Some(admission) = self.admission.as_mut().filter(|_| !first) {
            admission.sent(now);
        }
        self.current = Some(place);
        Ok(Target {
            address,
            reuse: self.reuse(),
            speaks: self.speaks(),
        })
    }

    fn target<'a>(&'a self, head: &RequestHead<'a>) -> &'a str {
        match &self.destination {
            Destination::Service {
                target: Some(target),
                ..
            } => target,
            _ => head.target,
        }
    }

    fn keeps(&self, name: &str) -> bool {
        fields::is_kept(name, self.trust)
            && !self.rewrites(name)
            && self.treated().is_none_or(|treated| treated.keeps(name))
    }

    fn write_fields(&self, head: &RequestHead<'_>, out: &mut Vec<u8>) {
        let external = self
            .service()
            .is_some_and(|service| service.policy.locality == Locality::External);
        let (instance, attempted) = match self.second() {
            Some((instance, attempted)) => (Some(instance), attempted),
            None => (self.current.as_deref(), self.attempted),
        };
        let host = match instance {
            // Only HTTP/1.0 clients may leave the host out, and no service need know of them.
            Some(instance) if external || head.authority.is_empty() => instance.authority.as_str(),
            _ => head.authority,
        };
        let added = Added {
            trust: self.trust,
            peer: &self.peer,
            scheme: self.scheme,
            identity: self.identity.as_deref(),
            host,
            request_id: self.request_id.as_bytes().unwrap_or_default(),
            trace: self.trace.as_ref(),
            remaining: self.remaining(attempted),
        };
        fields::write(head, &added, out);
        self.write_time_left(attempted, out);
        if let Some(treated) = self.treated() {
            treated.write_fields(out);
        }
    }

    fn body_limit(&self) -> u64 {
        match self.destination {
            Destination::Service { body_limit, .. } => body_limit,
            Destination::Site { .. } | Destination::Here { .. } | Destination::Nowhere { .. } => {
                u64::MAX
            }
        }
    }

    fn received(&mut self, at: Instant) {
        self.received = Some(at);
        if let Some(admission) = &mut self.admission {
            admission.sent(at);
        }
    }

    fn time_to_answer(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn time_to_attempt(&self) -> Option<Duration> {
        self.service()?.policy.retry.per_try_timeout
    }

    fn ends_by(&self) -> Option<Instant> {
        self.call.as_ref()?.due
    }

    fn may_fall_silent(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.is_dialogue())
    }

    fn translator(&self) -> Option<Box<dyn Translate>> {
        Exchange::translator(self)
    }

    fn time_to_hedge(&mut self) -> Option<Duration> {
        self.patience()
    }

    fn hedge(&mut self) -> Option<Target> {
        self.begin_second()
    }

    fn wins(&mut self, racer: Racer, head: &ResponseHead<'_>, at: Instant) -> bool {
        self.wins_race(racer, head, at)
    }

    fn abandon(&mut self) -> Option<Box<dyn Abandoned>> {
        let loser = self.abandon_other()?;
        Some(loser)
    }

    fn lost(&mut self, racer: Racer, fault: &Fault) {
        self.lose(racer, fault);
    }

    fn accepts(&mut self, head: &ResponseHead<'_>, replay: Replay) -> bool {
        self.is_good_enough(head, replay)
    }

    fn failed(&mut self, fault: &Fault, replay: Replay) -> Next {
        let cause = Cause::of(fault);
        self.upstream_time = None;
        if let Some(call) = &mut self.call {
            call.status = None;
        }
        self.was_sent |= replay != Replay::NotSent;
        self.lose_second(fault);
        let unwanted = self.unwanted.take();
        let place = self.leave(fault);
        let pause = match &unwanted {
            Some(unwanted) => Some(unwanted.pause),
            None => self.retry(fault, replay),
        };
        let ended = match fault {
            Fault::Stale | Fault::Refused if pause.is_some() => None,
            _ => ended(fault, unwanted.as_ref()),
        };
        if let Some(place) = &place {
            self.attempt_ended(place, ended, Instant::now());
        }
        drop(place);
        if let Some(pause) = pause {
            self.note_retry(fault);
            return Next::Again(pause);
        }
        let reached = match (fault, replay) {
            (Fault::Answer(_), _) => Reached::Yes,
            (_, Replay::NotSent) => Reached::No,
            _ => Reached::Maybe,
        };
        let detail = match self.service() {
            Some(service) if fault.is_the_services() => format!("`{}`: {fault}", service.name),
            _ => fault.to_string(),
        };
        Next::Give(self.give(cause, reached, &detail))
    }

    fn answered(&mut self, head: &ResponseHead<'_>, at: Instant) {
        self.upstream_time = Some(at.saturating_duration_since(self.attempted));
        self.note_patience(head, at);
        if let Some(admission) = &mut self.admission {
            admission.answered(at);
        }
        self.hear(head, at);
        if self.is_answered_by(head) {
            self.report(None, Some(self.answered_with(head.status)), at);
        }
        if head.status >= 500 {
            // A session with an instance that is not well would keep the client there.
            self.session = None;
        }
    }

    fn keeps_of_answer(&self, name: &str) -> bool {
        let outside = !matches!(self.listener, Listener::Call(_));
        // A service's own reason, or one it passes on from a service it called, would say of this
        // request that it was never sent, and so that it may be sent again.
        let ours = fields::same_name(name, REASON) || (outside && load_report::is_report(name));
        let treated = self.treated();
        let compression = self.compression();
        !ours
            && !self.is_said_here(name)
            && treated.is_none_or(|treated| treated.keeps_of_answer(name))
            && compression.is_none_or(|compression| compression.keeps(name))
    }

    fn trailer(&mut self, name: &str, value: &[u8]) {
        if let Some(call) = &mut self.call {
            call.note(name, value);
        }
    }

    fn write_fields_of_answer(&self, out: &mut Vec<u8>) {
        self.write_session(out);
        self.write_race(out);
        if let Some(compression) = self.compression() {
            compression.write(out);
        }
        self.write_security(out);
        if let Some(treated) = self.treated() {
            treated.write_fields_of_answer(out);
        }
    }

    fn encodes(&mut self, head: &ResponseHead<'_>) -> bool {
        let compression = self.compression_mut();
        compression.is_some_and(|compression| compression.decide(head))
    }

    fn encoder(&mut self) -> Option<Box<dyn Encoder>> {
        self.compression_mut()?.encoder()
    }

    fn finished(&mut self, outcome: &Outcome) {
        let took = outcome.ended.saturating_duration_since(self.arrived);
        let broken = self.was_broken(outcome);
        let ended = match outcome.status {
            Some(status) if status >= 500 || self.has_failed() => Ended::Error,
            Some(_) if broken && self.was_cut_short(outcome) => Ended::NoAnswer,
            Some(_) => Ended::Success,
            // No answer is a failure, unless nobody waited for one.
            None if matches!(outcome.fault, None | Some(Fault::ClientGone)) => Ended::Success,
            None if self.is_tunnel() && !broken => Ended::Success,
            None => Ended::NoAnswer,
        };
        if let Some(service) = self.service() {
            service.shared.statistics.note(Ending::from(ended), took);
        }
        let place = self.current.take();
        if let Some(place) = &place {
            self.note(place, ended, outcome.ended);
            // What a call came to is known only now.
            let told = self.call.is_some() && outcome.status.is_some();
            self.report(Some(place), told.then_some(ended), outcome.ended);
            if broken || outcome.status.is_some() || self.is_tunnel() {
                self.judge(place, ended, outcome.ended);
            }
        }
        self.log(outcome, took, place.as_deref());
    }
}
