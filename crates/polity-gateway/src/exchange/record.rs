//! A finished exchange as a line of the access log.

use std::time::Duration;

use polity_http::{Fault, Outcome};
use polity_plan::Protocol;

use super::Exchange;
use crate::access_log::Line;
use crate::destination::Destination;
use crate::instance::Instance;
use crate::policy::caller;
use crate::problem::Cause;
use crate::trace::TraceParent;

impl Exchange {
    /// Whether the service is to blame for the end. What a client does wrong is no mark against it, and
    /// neither is a tunnel in which both sides have nothing to say.
    pub(super) fn was_broken(&self, outcome: &Outcome) -> bool {
        let silent = outcome.fault == Some(Fault::Idle);
        let tunnelled = self.is_tunnel() || outcome.status == Some(101);
        // A stream that flows until the time is over that its client has set is none the worse for it.
        let flowed = outcome.fault == Some(Fault::Deadline) && self.upstream_time.is_some();
        let blamed = outcome.fault.as_ref().is_some_and(Fault::is_the_services);
        blamed && !flowed && !(silent && tunnelled)
    }

    /// Whether it is a whole connection, of a service that is not HTTP. It has no answer that could say
    /// how it went: that an instance has taken it counts as a success.
    pub(super) fn is_tunnel(&self) -> bool {
        self.service()
            .is_some_and(|service| service.policy.protocol == Protocol::Tcp)
    }

    /// Whether a fault came after the head of an answer had been forwarded.
    pub(super) fn was_cut_short(&self, outcome: &Outcome) -> bool {
        let fault = outcome.fault.as_ref();
        let had_head = self.upstream_time.is_some() || self.is_for_files();
        had_head && fault.is_some_and(|fault| *fault != Fault::ClientGone)
    }

    /// Writes the line, if there is a log. `place` is the instance that answered.
    pub(super) fn log(&self, outcome: &Outcome, took: Duration, place: Option<&Instance>) {
        let Some(log) = &self.thread.log else {
            return;
        };
        let mut line = Line::new(self.peer);
        line.method = &self.method;
        line.caller = caller(&self.listener);
        line.certificate = self.identity.as_deref();
        line.status = outcome.status;
        line.grpc_status = self.call.as_ref().and_then(|call| call.status);
        line.bytes_in = outcome.request_bytes;
        line.bytes_out = outcome.answer_bytes;
        line.duration = took;
        line.upstream = self.upstream_time;
        line.attempts = self.attempts;
        line.retried = self.retried;
        line.hedged = self.hedged().map(|instance| instance.id.as_str());
        line.trace_id = self.trace.as_ref().map(TraceParent::trace_id);
        line.request_id = self.request_id.as_bytes();
        line.reason = match (self.reason, &outcome.fault) {
            (Some(reason), _) => Some(reason),
            (None, Some(Fault::ClientGone)) => Some("client-gone"),
            (None, Some(Fault::CutOff)) => Some("cut-off"),
            (None, Some(Fault::Panicked)) => Some("panicked"),
            (None, Some(fault)) if outcome.status.is_none() || self.was_cut_short(outcome) => {
                Some(Cause::of(fault).name())
            }
            _ => None,
        };
        match &self.destination {
            Destination::Service {
                service,
                route,
                path,
                ..
            } => {
                line.path = path;
                line.route = route.map(|route| route.parts(path));
                line.service = Some(service.name.as_str());
            }
            Destination::Site {
                site, route, path, ..
            } => {
                line.path = path;
                line.route = Some(route.parts(path));
                line.service = Some(site.name.as_str());
            }
            Destination::Here { route, path, .. } => {
                line.path = path;
                line.route = route.map(|route| route.parts(path));
            }
            Destination::Nowhere { path, .. } => line.path = path,
        }
        line.instance = place.map(|place| place.id.as_str());
        log.write(&line);
    }
}
