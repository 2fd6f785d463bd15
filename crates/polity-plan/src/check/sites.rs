//! Sites have names of their own.

use polity_core::ServiceName;

use crate::check::Services;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings};
use crate::draft::Draft;

/// Logs and counts go by name, sites' and services' alike.
pub(super) fn check(draft: &Draft, services: &Services<'_>, findings: &mut Findings) {
    for site in &draft.sites {
        let name = site.site.name.as_str();
        let namesake = ServiceName::new(name).ok();
        let Some(service) = namesake.and_then(|name| services.get(&name)) else {
            continue;
        };
        let message = format!("a site and a service are both named `{name}`");
        findings.add(
            Diagnostic::new(Code::NameTaken, message, site.name.clone())
                .label("the name is taken")
                .other(service.name.clone(), "by this service"),
        );
    }
}
