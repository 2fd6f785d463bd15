//! What a route sets and removes is the service's and the client's, not the connection's or Polity's.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::{DraftHeaders, DraftRoute};

/// Framing, and what concerns one connection only (RFC 9110, section 7.6.1): written anew by
/// whoever forwards.
const OF_THE_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What Polity sets on every request.
const OF_REQUESTS: &[&str] = &[
    "forwarded",
    "host",
    "traceparent",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x-request-timeout-ms",
];

/// What Polity sets on answers.
const OF_ANSWERS: &[&str] = &["date", "x-polity-reason"];

pub(super) fn check(route: &DraftRoute, findings: &mut Findings) {
    direction(&route.request_headers, OF_REQUESTS, findings);
    direction(&route.response_headers, OF_ANSWERS, findings);
    if let Some(cors) = &route.cors {
        let set = route.response_headers.set.iter();
        for header in set.filter(|at| is_cors(&at.value.0)) {
            let message = format!("`{}` is set here and by `cors`", header.value.0);
            findings.add(
                Diagnostic::new(Code::Exclusive, message, header.span.clone())
                    .label("one of the two is too many")
                    .other(cors.place.clone(), "this sets it as each origin needs it")
                    .help("remove one of the two"),
            );
        }
    }
}

fn is_cors(name: &str) -> bool {
    dashed(name).starts_with("access-control-")
}

fn direction(headers: &DraftHeaders, ours: &[&str], findings: &mut Findings) {
    let set = headers.set.iter().map(|at| (&at.value.0, &at.span, "set"));
    let removed = headers
        .remove
        .iter()
        .map(|at| (&at.value, &at.span, "removed"));
    for (name, span, done) in set.chain(removed) {
        reserved(name, span, done, ours, findings);
    }
    let set = headers.set.iter();
    let set: BTreeMap<String, &Span> = set.map(|at| (dashed(&at.value.0), &at.span)).collect();
    for removed in &headers.remove {
        if let Some(set) = set.get(&dashed(&removed.value)) {
            let message = format!("`{}` is both set and removed", removed.value);
            findings.add(
                Diagnostic::new(Code::Exclusive, message, removed.span.clone())
                    .label("one of the two is too many")
                    .other(Span::clone(set), "set here")
                    .help("what is set stands in place of what came: remove it from `remove`"),
            );
        }
    }
}

fn reserved(name: &str, span: &Span, done: &str, ours: &[&str], findings: &mut Findings) {
    let dashed = dashed(name);
    let (label, help) = if OF_THE_CONNECTION.contains(&dashed.as_str()) {
        (
            "it concerns one connection, and is written anew for the next",
            "remove it: it never goes further by itself",
        )
    } else if !ours.contains(&dashed.as_str()) {
        return;
    } else if dashed == "host" {
        (
            "services are told the host that the client asked for",
            "remove it; a service under `url` is told the host of that URL",
        )
    } else {
        ("Polity sets it", "remove it, or choose another name")
    };
    // What came from a variable is not shown, and a reserved name is no secret: it is one of a few.
    let message = format!("`{dashed}` cannot be {done}");
    findings.add(
        Diagnostic::new(Code::ReservedHeader, message, span.clone())
            .label(label)
            .help(help),
    );
}

/// The name as a server reads it that takes `_` for `-`, as CGI and WSGI do.
fn dashed(name: &str) -> String {
    name.replace('_', "-")
}
