//! Each service has a database of its own.

use std::collections::BTreeMap;

use crate::address::database_identity;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::DraftService;
use crate::plan::Database;

/// The variable by which a database is handed to a service behind the plan's back.
const DATABASE_URL: &str = "DATABASE_URL";

pub(super) fn check(services: &[DraftService], findings: &mut Findings) {
    let mut owners: BTreeMap<String, (&DraftService, Span)> = BTreeMap::new();
    for service in services {
        let Some((url, span)) = database(service) else {
            continue;
        };
        let identity = database_identity(url);
        // A database in memory is nobody else's.
        if identity.contains(":memory:") {
            continue;
        }
        let Some((owner, first)) = owners.get(&identity) else {
            owners.insert(identity, (service, span));
            continue;
        };
        let (owner, name) = (&owner.service.name, &service.service.name);
        let message = format!("`{owner}` and `{name}` share one database");
        findings.add(
            Diagnostic::new(Code::SharedDatabase, message, span)
                .label("the same database again")
                .other(first.clone(), format!("`{owner}` has it"))
                .help(format!(
                    "give each its own, and let `{name}` ask `{owner}` by a call or an event"
                )),
        );
    }
}

fn database(service: &DraftService) -> Option<(&str, Span)> {
    let program = service.service.program()?;
    if let Some(Database::Url(url)) = &program.database {
        return Some((url, service.value_span("database")));
    }
    let url = program.env.get(DATABASE_URL)?;
    let variable = service.env.iter().find(|at| at.value == DATABASE_URL)?;
    Some((url, variable.span.clone()))
}
