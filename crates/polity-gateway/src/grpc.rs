//! gRPC as the gateway has to know it: what asks for it, its deadline, and its statuses.
//!
//! The rest of it is HTTP/2 and trailers. Sources: "gRPC over HTTP2" (PROTOCOL-HTTP2.md), "HTTP to gRPC Status Code
//! Mapping" and "Status codes and their use in gRPC", all of the gRPC project.

use std::io::Write;
use std::time::{Duration, Instant};

use polity_http::{Answer, RequestHead};

use crate::problem::Cause;

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;

/// gRPC's own type of content.
const GRPC: &str = "application/grpc";

/// The most digits of a timeout.
const MAX_DIGITS: usize = 8;

/// What is known of a call.
#[derive(Debug)]
pub(crate) struct Call {
    /// The type of content that its client understands.
    kind: &'static str,
    /// When it must be over, where its client has said.
    pub(crate) due: Option<Instant>,
    /// How it ended, where that is known.
    pub(crate) status: Option<u32>,
}

impl Call {
    /// The call that a request is, which came `at`; none where it is of another kind.
    pub(crate) fn of(head: &RequestHead<'_>, at: Instant) -> Option<Box<Self>> {
        let kind = head
            .header("content-type")
            .filter(|_| head.method == "POST");
        let kind = kind_of(kind?)?;
        let timeout = head.header("grpc-timeout").and_then(timeout);
        Some(Box::new(Self {
            kind,
            due: timeout.and_then(|timeout| at.checked_add(timeout)),
            status: None,
        }))
    }

    /// Whether both sides may speak at once: not where the client is a browser's.
    pub(crate) fn is_dialogue(&self) -> bool {
        self.kind == GRPC
    }

    /// Whether it failed for what a service has done, or has not: what other requests say by 5xx.
    pub(crate) fn has_failed(&self) -> bool {
        self.status.is_some_and(is_failure)
    }

    /// Notes a field of the answer's head or of its trailers.
    pub(crate) fn note(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("grpc-status") {
            let text = std::str::from_utf8(value).ok();
            self.status = text.and_then(|text| text.parse().ok());
        }
    }
}

/// The type of content of an answer to a request whose own is this; none where that is not gRPC.
fn kind_of(kind: &[u8]) -> Option<&'static str> {
    [GRPC, "application/grpc-web", "application/grpc-web-text"]
        .into_iter()
        .find(|known| {
            let same = kind.get(..known.len());
            same.is_some_and(|same| same.eq_ignore_ascii_case(known.as_bytes()))
                && matches!(kind.get(known.len()), None | Some(b'+' | b';' | b' '))
        })
}

/// What `grpc-timeout` says.
fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let is_number =
        (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Appends the field that says how much time is left: never less than there is a number for.
pub(crate) fn write_timeout(left: Duration, out: &mut Vec<u8>) {
    let most = 10u128.pow(MAX_DIGITS as u32) - 1;
    let (number, unit) = match left.as_micros() {
        micros if micros <= most => (micros, 'u'),
        _ if left.as_millis() <= most => (left.as_millis(), 'm'),
        _ => (u128::from(left.as_secs()).min(most), 'S'),
    };
    // Writing to a vector does not fail.
    let _ = write!(out, "grpc-timeout: {}{unit}\r\n", number.max(1));
}

/// Codes that the service is to blame for. Not what its caller has done wrong, or asked of it too often.
fn is_failure(code: u32) -> bool {
    // Unknown, deadline exceeded, internal, unavailable, data loss.
    matches!(code, 2 | 4 | 13 | 14 | 15)
}

/// The code that tells of a cause.
pub(crate) fn code(cause: Cause) -> u32 {
    match cause {
        Cause::ClientTooSlow | Cause::TryDeadline | Cause::Deadline => 4,
        Cause::BodyTooLarge | Cause::HeadTooLarge | Cause::Overloaded | Cause::Bulkhead => 8,
        Cause::NoRoute | Cause::NoFile | Cause::MethodNotAllowed => 12,
        Cause::MalformedRequest | Cause::MalformedAnswer | Cause::FileUnreadable => 13,
        Cause::ConnectFailed
        | Cause::AnswerBroke
        | Cause::NoInstance
        | Cause::CircuitOpen
        | Cause::Exhausted => 14,
    }
}

/// What the answer `problem` is to the client of a call: one of nothing but a head, which is its trailers too. It has
/// all other fields of the problem.
pub(crate) fn answer(call: &Call, code: u32, message: &str, problem: &Answer) -> Answer {
    let mut fields = format!("content-type: {}\r\n", call.kind).into_bytes();
    // As above.
    let _ = write!(fields, "grpc-status: {code}\r\ngrpc-message: ");
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => fields.push(byte),
            _ => drop(write!(fields, "%{byte:02X}")),
        }
    }
    fields.extend_from_slice(b"\r\n");
    for line in problem.fields.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b"content-type:") {
            fields.extend_from_slice(line);
        }
    }
    Answer {
        status: 200,
        fields,
        body: Vec::new(),
    }
}
