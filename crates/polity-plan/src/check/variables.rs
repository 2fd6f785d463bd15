//! Every environment variable a service is given has one meaning.

use std::collections::BTreeMap;

use crate::check::Services;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::DraftService;
use crate::plan::Protocol;

/// What every service is given, whatever its plan says, and what the embedded parts will add.
const ALWAYS: &[&str] = &[
    "PORT",
    "HOST",
    "POLITY_SERVICE",
    "POLITY_INSTANCE",
    "POLITY_VERSION",
    "POLITY_EVENTS_URL",
];

/// Who sets a variable and by what.
struct Setter {
    what: String,
    span: Option<Span>,
}

pub(super) fn check(service: &DraftService, services: &Services<'_>, findings: &mut Findings) {
    let Some(program) = service.service.program() else {
        return;
    };
    let mut set: BTreeMap<String, Setter> = ALWAYS
        .iter()
        .map(|name| {
            let what = "every service is given it".to_owned();
            ((*name).to_owned(), Setter { what, span: None })
        })
        .collect();
    if program.database.is_some() {
        for name in ["DATABASE_URL", "DATABASE_PATH"] {
            let what = "`database` gives it".to_owned();
            let span = Some(service.value_span("database"));
            set.insert(name.to_owned(), Setter { what, span });
        }
    }
    for call in &service.calls {
        let Some(callee) = services.get(&call.value) else {
            continue;
        };
        for variable in callee_variables(callee) {
            if let Some(setter) = set.get(&variable) {
                findings.add(names_clash(service, &variable, &call.span, setter));
                continue;
            }
            let what = format!("the call to `{}` gives it", call.value);
            let span = Some(call.span.clone());
            set.insert(variable, Setter { what, span });
        }
    }
    for variable in &service.env {
        let setter = set.get(&variable.value);
        if setter.is_some() || variable.value.starts_with("POLITY_") {
            findings.add(reserved(&variable.value, &variable.span, setter));
        }
    }
}

fn callee_variables(callee: &DraftService) -> Vec<String> {
    let prefix = callee.service.name.to_env();
    let suffixes: &[&str] = match callee.service.protocol {
        Protocol::Http | Protocol::Http2 | Protocol::Auto => &["URL"],
        Protocol::Tcp => &["URL", "HOST", "PORT"],
    };
    let variables = suffixes.iter().map(|suffix| format!("{prefix}_{suffix}"));
    variables.collect()
}

fn names_clash(service: &DraftService, variable: &str, span: &Span, setter: &Setter) -> Diagnostic {
    let name = &service.service.name;
    let message = format!("two things give `{name}` the variable `{variable}`");
    let finding = Diagnostic::new(Code::NamesClash, message, span.clone())
        .label(format!("this call gives `{variable}`"))
        .help("rename the service that is called");
    match &setter.span {
        Some(other) if other != span => finding.other(other.clone(), setter.what.clone()),
        _ => finding,
    }
}

fn reserved(variable: &str, span: &Span, setter: Option<&Setter>) -> Diagnostic {
    let message = format!("`{variable}` is set by Polity");
    let finding = Diagnostic::new(Code::ReservedVariable, message, span.clone());
    let finding = match setter {
        Some(Setter {
            what,
            span: Some(other),
        }) => finding
            .label("set here again")
            .other(other.clone(), what.clone()),
        Some(Setter { what, span: None }) => finding.label(what.clone()),
        None => finding.label("names that begin with `POLITY_` are reserved"),
    };
    finding.maybe_help(match variable {
        "PORT" => Some("fix a port by `port = 3000` beside `run`".to_owned()),
        _ => None,
    })
}
