//! What the parts of a plan say about each other and must not.

mod balance;
mod calls;
mod cors;
mod databases;
mod entry;
mod headers;
mod kinds;
mod ports;
mod redirects;
mod resilience;
mod routes;
mod sites;
mod tasks;
mod variables;

use std::collections::BTreeMap;

use polity_core::ServiceName;

use crate::diagnostic::Findings;
use crate::draft::{Draft, DraftService};

/// Services by name.
type Services<'a> = BTreeMap<&'a ServiceName, &'a DraftService>;

/// Reports every contradiction.
pub(crate) fn all(draft: &Draft, findings: &mut Findings) {
    let services: Services<'_> = draft
        .services
        .iter()
        .map(|service| (&service.service.name, service))
        .collect();
    for service in &draft.services {
        calls::check(service, &services, findings);
        kinds::check(service, findings);
        balance::check(service, &draft.gateway, findings);
        resilience::check(service, findings);
        variables::check(service, &services, findings);
        for route in &service.routes {
            headers::check(route, findings);
            cors::check(route, findings);
        }
    }
    for route in draft.sites.iter().flat_map(|site| &site.routes) {
        headers::check(route, findings);
        cors::check(route, findings);
    }
    tasks::check(&draft.tasks, &services, findings);
    sites::check(draft, &services, findings);
    routes::check(draft, findings);
    redirects::check(draft, findings);
    entry::check(draft, findings);
    databases::check(&draft.services, findings);
    ports::check(draft, findings);
}
