//! Tasks belong to services that Polity runs.

use polity_core::ServiceName;

use crate::check::{Services, calls, kinds};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings};
use crate::draft::DraftTask;

/// Variables with this prefix are Polity's.
const OWN_PREFIX: &str = "POLITY_";

pub(super) fn check(tasks: &[DraftTask], services: &Services<'_>, findings: &mut Findings) {
    for task in tasks {
        before(task, services, findings);
        name(task, services, findings);
        for (key, command) in [
            ("run", Some(&task.task.run)),
            ("build", task.task.build.as_ref()),
        ] {
            let place = task.places.iter().find(|place| place.name == key);
            let span = place.map_or(task.name.span.clone(), |place| place.value.clone());
            kinds::check_port_word(command, span, findings);
        }
        for variable in task
            .env
            .iter()
            .filter(|at| at.value.starts_with(OWN_PREFIX))
        {
            let message = format!("`{}` is set by Polity", variable.value);
            findings.add(
                Diagnostic::new(Code::ReservedVariable, message, variable.span.clone())
                    .label("names that begin with `POLITY_` are reserved"),
            );
        }
    }
}

fn before(task: &DraftTask, services: &Services<'_>, findings: &mut Findings) {
    for before in &task.before {
        match services.get(&before.value) {
            None => findings.add(calls::unknown(
                before.value.as_str(),
                before.span.clone(),
                services,
            )),
            Some(service) if service.service.program().is_none() => {
                let name = &before.value;
                let message = format!("`{name}` is not run by Polity, so nothing runs before it");
                findings.add(
                    Diagnostic::new(Code::TaskBeforeExternal, message, before.span.clone())
                        .label("not run by Polity")
                        .other(service.name.clone(), "it runs elsewhere"),
                );
            }
            Some(_) => {}
        }
    }
}

/// Logs and tables go by name, tasks' and services' alike.
fn name(task: &DraftTask, services: &Services<'_>, findings: &mut Findings) {
    let name = task.name.value.as_str();
    let namesake = ServiceName::new(name).ok();
    if let Some(service) = namesake.and_then(|name| services.get(&name)) {
        let message = format!("a task and a service are both named `{name}`");
        findings.add(
            Diagnostic::new(Code::NameTaken, message, task.name.span.clone())
                .label("the name is taken")
                .other(service.name.clone(), "by this service"),
        );
    }
}
