//! Applying an edited plan: new services are added, old ones removed, and the others told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use polity_core::ServiceName;
use polity_plan::Plan;
use polity_runtime::{Drain, task};

use super::difference::{self, Applied};
use super::{Leaving, Supervisor};
use crate::event::{EventKind, News};
use crate::service::actor::Effort;

impl Supervisor {
    /// Puts the plan in force, without waiting for what that means to be done.
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
        for (name, effort) in difference.edited {
            match effort {
                Effort::Keep => applied.scaled.push(name),
                Effort::Roll | Effort::Build => applied.rolled.push(name),
            }
        }
        let mut number = 0;
        self.in_force.send_modify(|in_force| {
            in_force.number += 1;
            in_force.plan = plan;
            number = in_force.number;
        });
        self.remove(&applied.removed, &old, number, drain);
        self.bear();
        applied
    }

    /// Stops what was removed, once those that called it follow the plan of this number.
    fn remove(&mut self, removed: &[ServiceName], old: &Plan, number: u64, drain: &Drain) {
        if removed.is_empty() {
            return;
        }
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
        let callers = old.services.values();
        let callers =
            callers.filter(|caller| removed.iter().any(|name| caller.calls.contains(name)));
        let still_here = self.registry.all();
        let follow = callers
            .filter_map(|caller| still_here.get(&caller.name))
            .map(|caller| {
                let mut applied = caller.applied.clone();
                // An error means that the caller is gone, and calls nobody.
                async move { applied.wait_for(|known| *known >= number).await.is_ok() }
            });
        let all_follow = join_all(follow.collect::<Vec<_>>());
        let drain = drain.clone();
        let join = task::spawn("removal", async move {
            // A caller that cannot roll goes on calling in vain: the plan says so.
            tokio::select! { biased;
                () = drain.signaled() => {}
                _ = all_follow => {}
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
