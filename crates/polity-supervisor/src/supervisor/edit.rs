//! Applying an edited plan: each service is told what it means for it, and nothing else is touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use polity_core::ServiceName;
use polity_plan::Plan;
use polity_runtime::{Drain, task};
use tokio::sync::oneshot;

use super::difference::{self, Applied};
use super::{Leaving, Supervisor};
use crate::event::{EventKind, News};
use crate::service::actor::{Command, Edit, Effort, Envelope};
use crate::service::failure::Failure;

type Outcome = oneshot::Receiver<Result<(), Failure>>;

impl Supervisor {
    /// Tells every service what the edit means for it, without waiting for it to be done.
    pub(super) fn apply(&mut self, plan: Arc<Plan>, drain: &Drain) -> Applied {
        let old = std::mem::replace(&mut self.plan, plan);
        let difference = difference::between(&old, &self.plan);
        let mut applied = Applied {
            added: difference.added,
            removed: difference.removed,
            ..Applied::default()
        };
        self.leaving.retain(|leaving| !leaving.join.is_finished());
        let plan = self.plan.clone();
        for name in &applied.added {
            if let Some(service) = plan.services.get(name) {
                // The latest of its name: it may have come and gone more than once.
                let mut leaving = self.leaving.iter().rev();
                let predecessor = leaving.find_map(|leaving| leaving.boards.get(name).cloned());
                self.conceive(service, predecessor);
                self.tell(name, EventKind::Added, "was added to the plan");
            }
        }
        let mut outcomes = Vec::new();
        for (name, effort) in difference.edited {
            let Some(outcome) = self.tell_edit(&name, effort) else {
                continue;
            };
            outcomes.push((name.clone(), outcome));
            match effort {
                Effort::Keep => applied.scaled.push(name),
                Effort::Roll | Effort::Build => applied.rolled.push(name),
            }
        }
        self.remove(&applied.removed, &old, outcomes, drain);
        self.bear();
        applied
    }

    fn tell_edit(&self, name: &ServiceName, effort: Effort) -> Option<Outcome> {
        let program = self.plan.services.get(name)?.program()?;
        let member = self.registry.all().get(name)?.clone();
        let (reply, outcome) = oneshot::channel();
        let command = Command::Apply(Edit {
            plan: self.plan.clone(),
            replicas: self.overrides.replicas(name, program.replicas),
            effort,
        });
        let envelope = Envelope {
            command,
            reply,
            turn: None,
        };
        if member.commands.try_send(envelope).is_err() {
            let message = "has too many changes to make already; save the plan again later";
            self.tell(name, EventKind::RollFailed, message);
            return None;
        }
        Some(outcome)
    }

    /// Stops what was removed, once those that called it have rolled to not calling it.
    fn remove(
        &mut self,
        removed: &[ServiceName],
        old: &Plan,
        edits: Vec<(ServiceName, Outcome)>,
        drain: &Drain,
    ) {
        if removed.is_empty() {
            return;
        }
        let calls_removed = |name: &ServiceName| {
            let caller = old.services.get(name);
            caller.is_some_and(|caller| removed.iter().any(|name| caller.calls.contains(name)))
        };
        let of_callers = edits.into_iter().filter(|(name, _)| calls_removed(name));
        let rolled = join_all(of_callers.map(|(_, outcome)| outcome));
        let (mut boards, mut members, mut joins) = (BTreeMap::new(), Vec::new(), Vec::new());
        for name in removed {
            self.tell(name, EventKind::Removed, "was removed from the plan");
            if let (Some(member), Some(join)) =
                (self.registry.remove(name), self.running.remove(name))
            {
                boards.insert(name.clone(), member.board.clone());
                members.push(member);
                joins.push(join);
            }
        }
        let drain = drain.clone();
        let join = task::spawn("removal", async move {
            // A caller that cannot roll goes on calling in vain: the plan says so.
            tokio::select! { biased;
                () = drain.signaled() => {}
                _ = rolled => {}
            }
            for member in members {
                member.stop.send_replace(true);
            }
            join_all(joins).await;
        });
        self.leaving.push(Leaving { boards, join });
    }

    fn tell(&self, service: &ServiceName, kind: EventKind, message: &str) {
        self.parts.events.tell(service, News::new(kind, message));
    }
}
