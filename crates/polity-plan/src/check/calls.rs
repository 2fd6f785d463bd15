//! `calls` names services that can be called.

use crate::check::Services;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span, did_you_mean};
use crate::draft::DraftService;
use crate::plan::Port;

/// The most services that a message lists.
const MAX_NAMED: usize = 8;

pub(super) fn check(service: &DraftService, services: &Services<'_>, findings: &mut Findings) {
    let name = &service.service.name;
    if let Some(place) = service.place("max_calls_in_flight")
        && service.calls.is_empty()
    {
        let message = "`max_calls_in_flight` means nothing for a service that calls none";
        findings.add(
            Diagnostic::new(Code::Inapplicable, message, place.key.clone())
                .help("name in `calls` what it calls, or remove it"),
        );
    }
    for call in &service.calls {
        if findings.full() {
            return;
        }
        let Some(callee) = services.get(&call.value) else {
            findings.add(unknown(call.value.as_str(), call.span.clone(), services));
            continue;
        };
        if call.value == *name {
            let message = format!("`{name}` calls itself");
            findings.add(
                Diagnostic::new(Code::CallsItself, message, call.span.clone())
                    .label("a service reaches itself without a call")
                    .help("remove it"),
            );
            continue;
        }
        let portless = |program: &crate::plan::Program| program.port == Port::None;
        if callee.service.program().is_some_and(|p| portless(p)) {
            let message = format!("`{name}` calls `{}`, which listens on nothing", call.value);
            findings.add(
                Diagnostic::new(Code::CallsPortless, message, call.span.clone())
                    .label("nothing answers there")
                    .other(callee.value_span("port"), "it listens on nothing by this"),
            );
        }
    }
}

/// A name that no service has.
pub(super) fn unknown(name: &str, span: Span, services: &Services<'_>) -> Diagnostic {
    let names = services.keys().map(|name| name.as_str());
    let help = did_you_mean(name, names.clone()).unwrap_or_else(|| {
        let names: Vec<_> = names.take(MAX_NAMED + 1).collect();
        match names.len() {
            1..=MAX_NAMED => format!(
                "add `[service.{name}]`, or name one of {}",
                names.join(", ")
            ),
            _ => format!("add `[service.{name}]`"),
        }
    });
    Diagnostic::new(
        Code::UnknownService,
        format!("there is no service `{name}`"),
        span,
    )
    .label("no such service")
    .help(help)
}
