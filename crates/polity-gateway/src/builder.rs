//! From a plan and a catalog to a snapshot, reusing what did not change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use arc_swap::{ArcSwap, Cache};
use polity_balance::Roster;
use polity_catalog::{Catalog, Health, Instances};
use polity_core::{InstanceId, ServiceName};
use polity_plan::Plan;
use polity_runtime::Published;

use crate::balancing;
use crate::bulkheads;
use crate::instance::Instance;
use crate::moment::moment;
use crate::overload::Load;
use crate::service::{Service, ServicePolicy, Shared};
use crate::sessions::{SessionKey, Sessions};
use crate::snapshot::{Planned, Snapshot};

#[cfg(test)]
#[path = "ramp_tests.rs"]
mod ramp_tests;
#[cfg(test)]
#[path = "builder_tests.rs"]
mod tests;

/// The snapshot in force, and what it was built from.
#[derive(Debug)]
pub(crate) struct Builder {
    catalog: Published<Catalog>,
    current: Arc<ArcSwap<Snapshot>>,
    given: Given,
    /// Writers take turns. The data plane never touches it.
    state: Mutex<State>,
}

/// What is the same for every plan.
#[derive(Debug)]
pub(crate) struct Given {
    /// What the cookies of sticky sessions are signed with.
    pub(crate) session_key: SessionKey,
    /// Connections from outside that there may be at once.
    pub(crate) connections: usize,
    /// What paths of plans are relative to.
    pub(crate) folder: PathBuf,
}

#[cfg(test)]
impl Given {
    pub(crate) fn of_a_test(connections: usize) -> Self {
        Self {
            session_key: SessionKey::new([7; 32]),
            connections,
            folder: PathBuf::from("/nowhere"),
        }
    }
}

/// A thread's view of the snapshot in force.
pub(crate) type SnapshotReader = Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>;

#[derive(Debug)]
struct State {
    /// For each service, what of the catalog its part of the snapshot was built from.
    sources: BTreeMap<ServiceName, Arc<Instances>>,
    /// Retired, with requests still there.
    leaving: BTreeMap<InstanceId, Instance>,
}

impl Builder {
    pub(crate) fn new(plan: Arc<Plan>, catalog: Published<Catalog>, given: Given) -> Self {
        let empty = Snapshot {
            planned: Arc::new(Planned::new(plan, &given.folder, None)),
            services: Vec::new(),
        };
        let builder = Self {
            catalog,
            current: Arc::new(ArcSwap::from_pointee(empty)),
            given,
            state: Mutex::new(State {
                sources: BTreeMap::new(),
                leaving: BTreeMap::new(),
            }),
        };
        builder.rebuild();
        builder
    }

    /// The snapshot in force.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The same for a thread that asks often: what it has is kept until there is another.
    pub(crate) fn reader(&self) -> SnapshotReader {
        Cache::new(self.current.clone())
    }

    /// Puts a new plan in force, with the instances as they are.
    pub(crate) fn replan(&self, plan: Arc<Plan>) {
        let mut state = self.lock();
        let before = self.current.load().planned.clone();
        let planned = Planned::new(plan, &self.given.folder, Some(&before));
        self.build(&mut state, Arc::new(planned), Instant::now());
    }

    /// Takes up what changed in the catalog.
    pub(crate) fn rebuild(&self) {
        self.rebuild_at(Instant::now());
    }

    /// The same at a moment that a test chooses: instances that are new are so since then.
    pub(crate) fn rebuild_at(&self, now: Instant) {
        let mut state = self.lock();
        let planned = self.current.load().planned.clone();
        self.build(&mut state, planned, now);
    }

    /// The instance, wherever it stands.
    pub(crate) fn instance(&self, id: &InstanceId) -> Option<Instance> {
        let leaving = self.lock().leaving.get(id).cloned();
        leaving.or_else(|| {
            let snapshot = self.current.load();
            let mut all = snapshot
                .services
                .iter()
                .flat_map(|service| service.instances());
            all.find(|instance| instance.id == *id).cloned()
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in between leaves the snapshot before it in force, which is whole.
        self.state
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    fn build(&self, state: &mut State, planned: Arc<Planned>, now: Instant) {
        // Read here, in turn: a catalog read before the turn began might be older than the one
        // the snapshot in force was built from, and bring back an instance that was drained.
        let catalog = self.catalog.load();
        let before = self.current.load_full();
        let mut sources = BTreeMap::new();
        let room = bulkheads::of_gateway(&planned.plan, self.given.connections as u64);
        let services = planned.plan.services.values().map(|service| {
            let source = catalog.instances(service.name.as_str());
            let source = source.cloned().unwrap_or_default();
            let known = before.service(service.name.as_str());
            let same = state.sources.get(&service.name).is_some_and(|old| {
                Arc::ptr_eq(old, &source) || (old.is_empty() && source.is_empty())
            });
            let policy = ServicePolicy::of(service, &planned.plan.gateway, room);
            sources.insert(service.name.clone(), source.clone());
            match known {
                Some(known) if same && known.policy == policy => known.clone(),
                known => Arc::new(self.service(&service.name, policy, known, &source, now)),
            }
        });
        let after = Snapshot {
            services: services.collect(),
            planned: planned.clone(),
        };
        state.sources = sources;
        let gone = retired(&before, &after);
        // The pointer is swapped first: a request that is refused by a retired endpoint looks
        // at the snapshot again, and must find the new one.
        self.current.store(Arc::new(after));
        for instance in gone {
            instance.endpoint.retire();
            state.leaving.insert(instance.id.clone(), instance);
        }
        state
            .leaving
            .retain(|_, instance| !instance.endpoint.is_drained());
    }

    /// The service anew, with all of it that is `known` and has not changed.
    fn service(
        &self,
        name: &ServiceName,
        policy: ServicePolicy,
        known: Option<&Arc<Service>>,
        source: &Instances,
        now: Instant,
    ) -> Service {
        let settings = balancing::settings(&policy.balance);
        let shared = match known {
            // What is remembered is remembered under a policy.
            Some(known) if known.policy.remembers_as(&policy) => known.shared.clone(),
            _ => {
                let sticky = policy.balance.sticky.as_ref();
                let sessions = sticky.map(|it| Sessions::new(it, name, &self.given.session_key));
                Arc::new(Shared::new(&policy, settings, sessions, now))
            }
        };
        let before = known.map(|known| (&known.policy.bounds, &known.load));
        let load = Load::new(&policy.bounds, before, now);
        let (mut ready, mut unready) = (Vec::new(), Vec::new());
        for listed in source.values() {
            let zone = balancing::zone(policy.zone.as_deref(), listed.zone.as_deref());
            let kept =
                known.and_then(|known| known.instances().find(|it| it.stands_for(listed, zone)));
            let guarded = kept.is_some()
                && known
                    .is_some_and(|known| known.policy.circuit_breaker == policy.circuit_breaker);
            let instance = match kept.cloned() {
                Some(instance) => {
                    instance.endpoint.set_weight(listed.weight);
                    instance
                }
                None => Instance::new(listed, zone, now),
            };
            if !guarded {
                instance.guard(&policy, now);
            }
            match listed.health {
                Health::Ready => {
                    if !known.is_some_and(|known| known.is_ready(&instance)) {
                        instance.forgive();
                        instance.endpoint.starts(moment(now));
                    }
                    ready.push(instance);
                }
                Health::Unready => unready.push(instance),
            }
        }
        let ready = Roster::new(&settings, ready);
        ready.refresh(moment(now));
        Service {
            name: name.clone(),
            policy,
            shared,
            load,
            ready,
            unready,
        }
    }
}

/// Instances of `before` that `after` has no more.
fn retired(before: &Snapshot, after: &Snapshot) -> Vec<Instance> {
    let mut gone = Vec::new();
    for service in &before.services {
        let next = after.service(service.name.as_str());
        if next.is_some_and(|next| Arc::ptr_eq(next, service)) {
            continue;
        }
        let stays = |instance: &&Instance| {
            next.is_some_and(|next| next.instances().any(|other| other.is(instance)))
        };
        gone.extend(
            service
                .instances()
                .filter(|instance| !stays(instance))
                .cloned(),
        );
    }
    gone
}
