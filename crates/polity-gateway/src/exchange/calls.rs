//! Calls of gRPC: what they are carried over, how much time they have, and how they end.

use std::time::Instant;

use polity_http::translate::Translate;
use polity_http::{Answer, RequestHead, ResponseHead, Speaks};
use polity_plan::Protocol;
use polity_resilience::outlier::Ending as Ended;

use super::Exchange;
use super::endings::answered_with;
use crate::fields::same_name;
use crate::grpc::{self, Call};
use crate::problem::Cause;
use crate::transcoding::Transcoding;

/// Said anew: it counts down.
const TIMEOUT: &str = "grpc-timeout";

impl Exchange {
    /// The call that the request is, as far as that matters: it needs HTTP/2, and a service that does not
    /// speak it is asked as any other.
    pub(super) fn call_of(&self, head: &RequestHead<'_>) -> Option<Box<Call>> {
        let protocol = self.service().map(|service| service.policy.protocol);
        match protocol {
            Some(Protocol::Http | Protocol::Tcp) => None,
            Some(Protocol::Http2 | Protocol::Auto) | None => Call::of(head, self.arrived),
        }
    }

    /// What is spoken to the service.
    pub(super) fn speaks(&self) -> Speaks {
        match self.service().map(|service| service.policy.protocol) {
            Some(Protocol::Http2 | Protocol::Auto) if self.transcoding().is_some() => {
                Speaks::Translated
            }
            Some(Protocol::Http2) => Speaks::Http2,
            Some(Protocol::Auto) if self.call.is_some() => Speaks::Http2,
            _ => Speaks::Http1,
        }
    }

    /// Where the request is translated: what comes as gRPC is what the service speaks.
    fn transcoding(&self) -> Option<&Transcoding> {
        let service = self.service().filter(|_| self.call.is_none())?;
        service.shared.transcoding.as_deref()
    }

    /// Who translates it.
    pub(super) fn translator(&self) -> Option<Box<dyn Translate>> {
        let translator = self.transcoding()?.translator();
        Some(Box::new(translator))
    }

    /// Whether the field of this name is one that is said anew.
    pub(super) fn rewrites(&self, name: &str) -> bool {
        let is_timed = self.call.as_ref().is_some_and(|call| call.due.is_some());
        is_timed && same_name(name, TIMEOUT)
    }

    /// Appends how much time the call has left, where its client has given it some.
    pub(super) fn write_time_left(&self, now: Instant, out: &mut Vec<u8>) {
        if let Some(due) = self.call.as_ref().and_then(|call| call.due) {
            grpc::write_timeout(due.saturating_duration_since(now), out);
        }
    }

    /// Whether the head of an answer says how the attempt has ended. That of a call's is followed by a
    /// status, unless it has one.
    pub(super) fn is_answered_by(&mut self, head: &ResponseHead<'_>) -> bool {
        let Some(call) = &mut self.call else {
            return true;
        };
        let status = head.header("grpc-status");
        if let Some(status) = status {
            call.note("grpc-status", status);
        }
        status.is_some() || head.status != 200
    }

    /// How an attempt has ended whose answer has this status, and no other.
    pub(super) fn answered_with(&self, status: u16) -> Ended {
        match self.has_failed() {
            true => Ended::Error,
            false => answered_with(status),
        }
    }

    /// Whether it is a call, and has failed for what the service has done.
    pub(super) fn has_failed(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.has_failed())
    }

    /// The answer that tells of `cause`, as whoever asked understands it.
    pub(super) fn put(&mut self, cause: Cause, detail: &str, problem: Answer) -> Answer {
        let Some(call) = &mut self.call else {
            return problem;
        };
        let code = grpc::code(cause);
        call.status = Some(code);
        grpc::answer(call, code, detail, &problem)
    }
}
