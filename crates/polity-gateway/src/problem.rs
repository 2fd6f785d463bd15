//! Errors made by Polity, as RFC 9457 problems: one stable type per cause.
//!
//! Types are URNs rather than URLs: they are identifiers to be compared, and a URL would
//! promise a page, on a host somebody has to keep, for a program that runs without the internet.

use std::io::Write;
use std::time::Duration;

use polity_http::{Answer, Fault};
use serde::Serialize;

/// What went wrong, as clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    MalformedRequest,
    NoRoute,
    NoFile,
    MethodNotAllowed,
    ClientTooSlow,
    BodyTooLarge,
    HeadTooLarge,
    ConnectFailed,
    AnswerBroke,
    MalformedAnswer,
    NoInstance,
    CircuitOpen,
    Overloaded,
    Bulkhead,
    Exhausted,
    FileUnreadable,
    /// Of one try; of the request, there was some left.
    TryDeadline,
    Deadline,
}

/// Whether a request has reached its service: whether sending it again may do a thing twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    No,
    /// It was sent, in part at least; whether it was read is not known.
    Maybe,
    /// It was answered.
    Yes,
}

/// The field that names the cause and says whether the service was reached; of an answer that comes of a
/// race, that. Only Polity sets it.
pub(crate) const REASON: &str = "x-polity-reason";

/// Seconds after which a client may try again where nothing better is known: an instance that
/// crashed is back within that, most of the time.
const RETRY_AFTER: u64 = 1;

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Cause {
    /// Status, the last part of the type, and title.
    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (400, "malformed-request", "The request is malformed"),
            Self::NoRoute => (404, "no-route", "No route leads there"),
            Self::NoFile => (404, "no-file", "There is no such file"),
            Self::MethodNotAllowed => (
                405,
                "method-not-allowed",
                "Nothing there takes requests of this method",
            ),
            Self::FileUnreadable => (500, "file-unreadable", "The file could not be read"),
            Self::ClientTooSlow => (
                408,
                "client-too-slow",
                "The request took too long to arrive",
            ),
            Self::BodyTooLarge => (413, "body-too-large", "The request's body is too large"),
            Self::HeadTooLarge => (431, "head-too-large", "The request's head is too large"),
            Self::ConnectFailed => (502, "connect-failed", "The service could not be reached"),
            Self::AnswerBroke => (502, "answer-broke", "The service broke off its answer"),
            Self::MalformedAnswer => (502, "malformed-answer", "The service's answer is malformed"),
            Self::NoInstance => (503, "no-instance", "No instance of the service is ready"),
            Self::CircuitOpen => (503, "circuit-open", "The service keeps failing"),
            Self::Overloaded => (503, "overloaded", "Too many requests at once"),
            Self::Bulkhead => (
                503,
                "bulkhead",
                "Requests to the service hold as much room as they may",
            ),
            Self::Exhausted => (
                503,
                "exhausted",
                "The gateway has no file descriptors, ports or memory left",
            ),
            Self::TryDeadline => (
                504,
                "per-try-timeout",
                "No try of the request was answered in its time",
            ),
            Self::Deadline => (504, "deadline", "The service did not answer in time"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.parts().1
    }

    pub(crate) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Head(_) | Fault::Body(_) | Fault::ClientGone => Self::MalformedRequest,
            Fault::BodyTooLarge => Self::BodyTooLarge,
            Fault::HeadTooLarge => Self::HeadTooLarge,
            Fault::ClientTooSlow => Self::ClientTooSlow,
            Fault::Connect(_) | Fault::ConnectTimeout => Self::ConnectFailed,
            Fault::Exhausted => Self::Exhausted,
            Fault::Unwanted
            | Fault::Refused
            | Fault::Stale
            | Fault::Broke
            | Fault::Idle
            | Fault::CutOff
            | Fault::Panicked => Self::AnswerBroke,
            Fault::Answer(_) | Fault::NotHttp2 => Self::MalformedAnswer,
            Fault::AttemptDeadline => Self::TryDeadline,
            Fault::Deadline => Self::Deadline,
        }
    }

    /// The answer that tells of it. `later` is when the client may try again, if that is known.
    pub(crate) fn answer(
        self,
        reached: Reached,
        detail: &str,
        request_id: Option<&str>,
        later: Option<Duration>,
    ) -> Answer {
        let (status, name, title) = self.parts();
        let problem = Problem {
            kind: format!("urn:polity:problem:{name}"),
            title,
            status,
            detail,
            request_id,
        };
        let mut fields = Vec::with_capacity(160);
        fields.extend_from_slice(b"content-type: application/problem+json\r\n");
        fields.extend_from_slice(b"cache-control: no-store\r\n");
        let reached = match reached {
            Reached::No => "no",
            Reached::Maybe => "maybe",
            Reached::Yes => "yes",
        };
        // Writing to a vector does not fail.
        let _ = write!(fields, "{REASON}: {name}; reached={reached}\r\n");
        if status == 503 {
            let later = later.map_or(RETRY_AFTER, |later| {
                later.as_millis().div_ceil(1_000) as u64
            });
            let _ = write!(fields, "retry-after: {later}\r\n");
        }
        if let Some(id) = request_id {
            let _ = write!(fields, "x-request-id: {id}\r\n");
        }
        Answer {
            status,
            fields,
            body: serde_json::to_vec(&problem).unwrap_or_default(),
        }
    }
}
