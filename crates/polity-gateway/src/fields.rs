//! The fields Polity sets on a request, and those it takes away because they would be taken for its own.

use std::net::IpAddr;
use std::time::Duration;

use polity_http::text::{AddressText, write_number};
use polity_http::{RequestHead, Scheme};

use crate::trace::TraceParent;

/// How far a field that came from a client is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// A client: what it says of proxies before it is dropped.
    Client,
    /// A proxy the plan trusts: what it says is passed on, and added to.
    Proxy,
    /// A service of the system calling another: the fields are its own business.
    Service,
}

/// What is added to a request.
pub(crate) struct Added<'a> {
    pub(crate) trust: Trust,
    pub(crate) peer: &'a AddressText,
    pub(crate) scheme: Scheme,
    /// Of the client's certificate, where it has shown one.
    pub(crate) identity: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) request_id: &'a [u8],
    pub(crate) trace: Option<&'a TraceParent>,
    pub(crate) remaining: Duration,
}

/// Set on every request.
const OURS: &[&str] = &[
    "host",
    "x-request-id",
    "traceparent",
    "x-request-timeout-ms",
];

/// Who clients are that have shown a certificate.
const CLIENT_CERTIFICATE: &str = "x-forwarded-client-cert";

/// Set on those that come from outside.
const FORWARDED: &[&str] = &[
    "forwarded",
    CLIENT_CERTIFICATE,
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Believed of a trusted proxy, and of nobody else from outside.
const VOUCHED: &[&str] = &[
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-real-ip",
];

/// Whether the client came over TLS: to here, or to a proxy that is believed. What such a one does not say is
/// what it spoke itself.
pub(crate) fn came_over_tls(head: &RequestHead<'_>, trust: Trust, scheme: Scheme) -> bool {
    let said = head
        .header("x-forwarded-proto")
        .filter(|_| trust == Trust::Proxy);
    match said {
        Some(proto) => proto.eq_ignore_ascii_case(b"https"),
        None => scheme == Scheme::Https,
    }
}

/// Whether a field that came is passed on as it is.
pub(crate) fn is_kept(name: &str, trust: Trust) -> bool {
    let known = |names: &[&str]| names.iter().any(|known| same_name(name, known));
    // Nearly all other names begin with other letters.
    match name.as_bytes().first().map(u8::to_ascii_lowercase) {
        Some(b'h' | b't' | b'x' | b'f') => {
            !known(OURS)
                && match trust {
                    Trust::Service => true,
                    Trust::Proxy => !known(FORWARDED),
                    Trust::Client => !known(FORWARDED) && !known(VOUCHED),
                }
        }
        _ => true,
    }
}

/// Whether the two are one to a server that reads `_` as `-`, as CGI and WSGI do; `known` is in lower
/// case, and has `-`.
pub(crate) fn same_name(name: &str, known: &str) -> bool {
    name.len() == known.len()
        && name.bytes().zip(known.bytes()).all(|(byte, known)| {
            byte.eq_ignore_ascii_case(&known) || (byte == b'_' && known == b'-')
        })
}

/// Whether the answer is to be a stream of events.
pub(crate) fn wants_events(head: &RequestHead<'_>) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let accept = head.header("accept").unwrap_or_default();
    accept
        .windows(EVENTS.len())
        .any(|part| part.eq_ignore_ascii_case(EVENTS))
}

/// Appends them.
pub(crate) fn write(head: &RequestHead<'_>, added: &Added<'_>, out: &mut Vec<u8>) {
    field(out, b"host: ", added.host.as_bytes());
    field(out, b"x-request-id: ", added.request_id);
    if let Some(trace) = added.trace {
        field(out, b"traceparent: ", trace.as_bytes());
    }
    out.extend_from_slice(b"x-request-timeout-ms: ");
    let remaining = added.remaining.as_millis();
    write_number(out, u64::try_from(remaining).unwrap_or(u64::MAX));
    out.extend_from_slice(b"\r\n");
    if added.trust != Trust::Service {
        write_forwarded(head, added, out);
    }
}

fn write_forwarded(head: &RequestHead<'_>, added: &Added<'_>, out: &mut Vec<u8>) {
    let believed = |name: &str| match added.trust {
        Trust::Proxy => head.header(name).filter(|value| !value.is_empty()),
        Trust::Client | Trust::Service => None,
    };
    out.extend_from_slice(b"x-forwarded-for: ");
    write_before(head, added.trust, "x-forwarded-for", out);
    out.extend_from_slice(added.peer.as_bytes());
    out.extend_from_slice(b"\r\n");

    let spoken = match added.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let proto = believed("x-forwarded-proto").unwrap_or(spoken.as_bytes());
    field(out, b"x-forwarded-proto: ", proto);
    let host = believed("x-forwarded-host").unwrap_or(head.authority.as_bytes());
    if !host.is_empty() {
        field(out, b"x-forwarded-host: ", host);
    }

    write_identity(head, added, out);

    out.extend_from_slice(b"forwarded: ");
    write_before(head, added.trust, "forwarded", out);
    // RFC 7239, section 6: an IPv6 address is in brackets, and so in quotes.
    let (before, after) = match added.peer.address() {
        IpAddr::V4(_) => (&b"for="[..], &b""[..]),
        IpAddr::V6(_) => (&b"for=\"["[..], &b"]\""[..]),
    };
    out.extend_from_slice(before);
    out.extend_from_slice(added.peer.as_bytes());
    out.extend_from_slice(after);
    if !head.authority.is_empty() {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(head.authority.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(spoken.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Who the client is, and who those are before it that a trusted proxy tells of.
fn write_identity(head: &RequestHead<'_>, added: &Added<'_>, out: &mut Vec<u8>) {
    let is_told = added.trust == Trust::Proxy && head.header(CLIENT_CERTIFICATE).is_some();
    if added.identity.is_none() && !is_told {
        return;
    }
    out.extend_from_slice(CLIENT_CERTIFICATE.as_bytes());
    out.extend_from_slice(b": ");
    write_before(head, added.trust, CLIENT_CERTIFICATE, out);
    match added.identity {
        Some(identity) => out.extend_from_slice(identity.as_bytes()),
        // What stands before the next is not needed after the last.
        None => {
            let length = out.trim_ascii_end().len();
            out.truncate(length);
        }
    }
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends what a trusted proxy sent in all fields of this name, with a comma after each.
fn write_before(head: &RequestHead<'_>, trust: Trust, name: &str, out: &mut Vec<u8>) {
    let fields = head.headers.iter().filter(|header| {
        trust == Trust::Proxy && header.name.eq_ignore_ascii_case(name) && !header.value.is_empty()
    });
    for header in fields {
        out.extend_from_slice(header.value);
        out.extend_from_slice(b", ");
    }
}

/// Appends a field; `name` with what separates it from the value.
fn field<const N: usize>(out: &mut Vec<u8>, name: &[u8; N], value: &[u8]) {
    // What of it has a known length is copied without a call.
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_itself_is_dropped_in_any_spelling() {
        for name in [
            "X-Forwarded-For",
            "x_forwarded_for",
            "Forwarded",
            "X-Forwarded-Client-Cert",
        ] {
            assert!(!is_kept(name, Trust::Client), "{name}");
            assert!(!is_kept(name, Trust::Proxy), "{name}: written anew");
            assert!(is_kept(name, Trust::Service), "{name}");
        }
        for name in ["X-Real-IP", "x_real_ip", "X-Forwarded-Prefix"] {
            assert!(!is_kept(name, Trust::Client), "{name}");
            assert!(is_kept(name, Trust::Proxy), "{name}");
        }
        for name in ["Host", "traceparent", "X-Request-Id", "x_request_id"] {
            assert!(!is_kept(name, Trust::Service), "{name}");
        }
        for name in [
            "Accept",
            "X-Custom",
            "tracestate",
            "Forwarded-Too",
            "Cookie",
        ] {
            assert!(is_kept(name, Trust::Client), "{name}");
        }
    }
}
