//! Keys that a service of another kind would have: without a port, not HTTP, not run by Polity.

use std::collections::BTreeSet;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings};
use crate::draft::DraftService;
use crate::plan::{Command, HealthAsks, Port, Program, Protocol};

pub(super) fn check(service: &DraftService, findings: &mut Findings) {
    if let Some(program) = service.service.program() {
        without_port(service, program, findings);
    }
    match service.service.protocol {
        Protocol::Tcp => not_http(service, findings),
        Protocol::Http => not_http2(service, findings),
        Protocol::Http2 | Protocol::Auto => {}
    }
    no_grpc(service, findings);
    urls(service, findings);
}

fn without_port(service: &DraftService, program: &Program, findings: &mut Findings) {
    if let Some(place) = service.place("build") {
        check_port_word(program.build.as_ref(), place.value.clone(), findings);
    }
    if program.port != Port::None {
        return;
    }
    check_port_word(Some(&program.run), service.value_span("run"), findings);
    for key in [
        "health",
        "protocol",
        "timeout",
        "retry",
        "hedge",
        "circuit_breaker",
        "outlier",
        "balance",
        "max_in_flight",
    ] {
        let Some(place) = service.place(key) else {
            continue;
        };
        let message = format!("`{key}` means nothing for a service that listens on nothing");
        findings.add(
            Diagnostic::new(Code::Inapplicable, message, place.key.clone())
                .other(service.value_span("port"), "it listens on nothing by this")
                .help(format!("remove `{key}` or `port`")),
        );
    }
}

/// `{port}` where no port can stand for it.
pub(super) fn check_port_word(
    command: Option<&Command>,
    span: crate::diagnostic::Span,
    findings: &mut Findings,
) {
    if command.is_some_and(Command::wants_port) {
        findings.add(
            Diagnostic::new(Code::NoPort, "`{port}` stands for no port here", span)
                .label("only `run` of a service that listens has one")
                .help("write `{{port}}` for a literal `{port}`"),
        );
    }
}

fn not_http(service: &DraftService, findings: &mut Findings) {
    let path = service
        .service
        .program()
        .is_some_and(|program| program.health.asks != HealthAsks::Connect);
    let keys = [
        "timeout",
        "retry",
        "hedge",
        "circuit_breaker",
        "max_in_flight",
    ]
    .into_iter()
    .chain(path.then_some("health"));
    for key in keys {
        let Some(place) = service.place(key) else {
            continue;
        };
        let message = format!("`{key}` of requests means nothing for a service that is not HTTP");
        let message = if key == "health" {
            "`health` by requests means nothing for a service that is not HTTP".to_owned()
        } else {
            message
        };
        findings.add(
            Diagnostic::new(Code::Inapplicable, message, place.key.clone())
                .other(spoken(service), "it speaks plain TCP by this")
                .help(format!("remove `{key}`")),
        );
    }
}

/// gRPC's health check of what speaks no gRPC.
fn not_http2(service: &DraftService, findings: &mut Findings) {
    let asks = service
        .service
        .program()
        .map(|program| &program.health.asks);
    if let (Some(HealthAsks::Grpc(_)), Some(place)) = (asks, service.place("health")) {
        findings.add(
            Diagnostic::new(
                Code::Inapplicable,
                "`health` by gRPC means nothing for a service that does not speak HTTP/2",
                place.value.clone(),
            )
            .help("add `protocol = \"http2\"`, or \"auto\" if it speaks HTTP/1.1 too"),
        );
    }
}

/// JSON translated to what is not spoken.
fn no_grpc(service: &DraftService, findings: &mut Findings) {
    let speaks_grpc = matches!(service.service.protocol, Protocol::Http2 | Protocol::Auto);
    if let (false, Some(_), Some(place)) = (
        speaks_grpc,
        &service.service.transcode,
        service.place("transcode"),
    ) {
        findings.add(
            Diagnostic::new(
                Code::Inapplicable,
                "`transcode` means nothing for a service that does not speak HTTP/2, as gRPC does",
                place.value.clone(),
            )
            .help("add `protocol = \"http2\"`, or \"auto\" if it speaks HTTP/1.1 too"),
        );
    }
}

fn urls(service: &DraftService, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for url in &service.urls {
        let upstream = &url.upstream;
        if url.protocol.is_http() != service.service.protocol.is_http() {
            findings.add(
                Diagnostic::new(
                    Code::WrongValue,
                    format!(
                        "the URLs of `{}` do not all speak one protocol",
                        service.service.name
                    ),
                    url.span.clone(),
                )
                .label("another scheme than the rest says")
                .other(spoken(service), "the protocol is said here")
                .help("`tcp://` is for `protocol = \"tcp\"`, `http://` for all others"),
            );
        }
        if !seen.insert((&upstream.host, upstream.port)) {
            findings.add(
                Diagnostic::new(
                    Code::WrongValue,
                    "one place is named twice",
                    url.span.clone(),
                )
                .label("named before")
                .help("remove it"),
            );
        }
    }
}

/// Where a service's protocol is said.
fn spoken(service: &DraftService) -> crate::diagnostic::Span {
    match (service.place("protocol"), service.urls.first()) {
        (Some(place), _) => place.value.clone(),
        (None, Some(url)) => url.span.clone(),
        (None, None) => service.name.clone(),
    }
}
