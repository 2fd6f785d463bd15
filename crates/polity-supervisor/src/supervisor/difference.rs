//! What an edited plan means: which services come, go, roll, or are not touched at all.

use std::collections::BTreeMap;

use polity_core::ServiceName;
use polity_plan::{Broker, HostPort, Plan, Program, Protocol, Service};

use crate::service::actor::Effort;

/// What was begun because of an edited plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Services that were added, and start.
    pub added: Vec<ServiceName>,
    /// Services that were removed, and stop once no caller is left.
    pub removed: Vec<ServiceName>,
    /// Services whose instances are replaced.
    pub rolled: Vec<ServiceName>,
    /// Services whose number of instances changes, and nothing else.
    pub scaled: Vec<ServiceName>,
}

/// The difference of two plans, as far as processes go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) added: Vec<ServiceName>,
    pub(crate) removed: Vec<ServiceName>,
    /// Services in both plans, with what becomes of them; untouched ones are not here.
    pub(crate) edited: BTreeMap<ServiceName, Effort>,
}

/// Compares two plans. Routes, the settings of topics, balancing, retries and the parts other than services are
/// none of the supervisor's business.
pub(crate) fn between(old: &Plan, new: &Plan) -> Difference {
    let mut difference = Difference::default();
    for name in running(new) {
        match old.services.get(name).and_then(|old| old.program()) {
            None => difference.added.push(name.clone()),
            Some(_) => {
                if let Some(effort) = edit(old, new, name) {
                    difference.edited.insert(name.clone(), effort);
                }
            }
        }
    }
    let gone = running(old).filter(|name| {
        let still = new.services.get(*name);
        still.and_then(|service| service.program()).is_none()
    });
    difference.removed = gone.cloned().collect();
    difference
}

fn running(plan: &Plan) -> impl Iterator<Item = &ServiceName> {
    let all = plan.services.iter();
    let here = all.filter(|(_, service)| service.program().is_some());
    here.map(|(name, _)| name)
}

/// What becomes of one service; none when nothing does.
pub(crate) fn edit(old: &Plan, new: &Plan, name: &ServiceName) -> Option<Effort> {
    let (before, service) = (old.services.get(name)?, new.services.get(name)?);
    let (was, is) = (before.program()?, service.program()?);
    if (&was.build, &was.run, &was.dir) != (&is.build, &is.run, &is.dir) {
        return Some(Effort::Build);
    }
    if essence(was) != essence(is) || told(old, before) != told(new, service) {
        return Some(Effort::Roll);
    }
    let kept = (&was.replicas, &was.watch) == (&is.replicas, &is.watch)
        && before.timeout == service.timeout;
    (!kept).then_some(Effort::Keep)
}

/// A program but for what changes without new processes.
fn essence(program: &Program) -> Program {
    Program {
        replicas: 0,
        watch: Vec::new(),
        ..program.clone()
    }
}

/// What the environment says of others: whom it calls, and how they are called; and who keeps the
/// events.
type Told<'a> = (Vec<(&'a ServiceName, Protocol)>, Option<&'a [HostPort]>);

fn told<'a>(plan: &'a Plan, service: &'a Service) -> Told<'a> {
    let protocol = |callee| plan.services.get(callee).map(|callee| callee.protocol);
    let calls = service.calls.iter();
    let calls = calls.map(|callee| (callee, protocol(callee).unwrap_or(Protocol::Http)));
    let brokers = plan.events.as_ref().map(|events| match &events.broker {
        // Its address is the same for the whole run.
        Broker::Embedded(_) => &[][..],
        Broker::Kafka(brokers) => brokers,
    });
    (calls.collect(), brokers)
}

#[cfg(test)]
mod tests;
