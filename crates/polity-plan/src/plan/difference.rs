//! What an edited plan asks of a running system: the least that makes the new one true.

use std::collections::BTreeSet;

use polity_core::{ServiceName, TaskName};

use crate::plan::{Plan, Service};

/// What changed from one plan to the next. A service is in one list at most, the first that
/// applies of those below.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The gateway listens elsewhere, or believes others.
    pub gateway: bool,
    /// The console listens elsewhere.
    pub console: bool,
    /// Services to stop, or to forget.
    pub removed: BTreeSet<ServiceName>,
    /// Services to start, or to know.
    pub added: BTreeSet<ServiceName>,
    /// Services whose instances are replaced one by one: what their processes are made of, or are
    /// told, changed, or who runs them.
    pub rolled: BTreeSet<ServiceName>,
    /// Services of which more or fewer are to run.
    pub scaled: BTreeSet<ServiceName>,
    /// Services of which no process is touched: routes, policies, checks, addresses elsewhere.
    pub retuned: BTreeSet<ServiceName>,
    /// Tasks that are new or changed: they run before their services next start or roll.
    pub tasks: BTreeSet<TaskName>,
}

impl Plan {
    /// What `new` changes of this plan.
    pub fn difference(&self, new: &Plan) -> Difference {
        let removed = self.services.keys();
        let tasks = new.tasks.iter();
        let mut difference = Difference {
            gateway: self.gateway != new.gateway,
            console: self.console != new.console,
            removed: removed
                .filter(|name| !new.services.contains_key(*name))
                .cloned()
                .collect(),
            tasks: tasks
                .filter(|(name, task)| self.tasks.get(*name) != Some(task))
                .map(|(name, _)| name.clone())
                .collect(),
            ..Difference::default()
        };
        for (name, service) in &new.services {
            let list = match self.services.get(name) {
                None => &mut difference.added,
                Some(old) if self.told(old) != new.told(service) => &mut difference.rolled,
                Some(old) if old == service => continue,
                Some(old) if replicas(old) != replicas(service) => &mut difference.scaled,
                Some(_) => &mut difference.retuned,
            };
            list.insert(name.clone());
        }
        difference
    }

    /// All that the processes of a service are made of or are told; while it is the same, they
    /// stay. None for a service that Polity does not run.
    fn told<'a>(&'a self, service: &'a Service) -> Option<impl PartialEq + use<'a>> {
        let program = service.program()?;
        // A callee that stops being HTTP is told of by other variables.
        let callees = service.calls.iter().map(|name| {
            let protocol = self.services.get(name).map(|callee| callee.protocol);
            (name, protocol)
        });
        Some((
            (&program.build, &program.run, &program.dir, program.port),
            (&program.database, &program.env, &program.requires),
            callees.collect::<Vec<_>>(),
        ))
    }
}

fn replicas(service: &Service) -> Option<u32> {
    service.program().map(|program| program.replicas)
}
