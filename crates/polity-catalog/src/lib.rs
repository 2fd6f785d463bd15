//! Where every instance is and how it does: one immutable snapshot that anyone may hold.
//!
//! Whoever knows of instances (the supervisor, the plan's `url`s, registrations) writes changes; whoever sends
//! traffic reads. A change makes a new [`Catalog`] that shares every service it did not touch with
//! the old one, so that a reader can tell by pointer what it need not look at again.

use std::collections::BTreeMap;
use std::sync::Arc;

use polity_core::{InstanceId, ServiceName, VersionId};
use serde::Serialize;

/// All services known, each shared with the snapshots before and after it that did not change it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    services: BTreeMap<ServiceName, Arc<Instances>>,
}

/// One service's instances by id.
pub type Instances = BTreeMap<InstanceId, Instance>;

/// One place where a service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Unique in the system.
    pub id: InstanceId,
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Which build it runs; none for what Polity does not run itself.
    pub version: Option<VersionId>,
    /// Whether it may be given requests.
    pub health: Health,
    /// Its capacity, beside the others'; at least 1.
    pub weight: u32,
    /// The zone it is in; none where nobody has said.
    pub zone: Option<String>,
}

/// Whether an instance may be given requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Passes its checks.
    Ready,
    /// Runs, and is not to be given requests: its checks fail.
    Unready,
}

/// One step from a catalog to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds an instance or replaces the one of its id.
    Put(ServiceName, Instance),
    /// An instance's checks began to pass or to fail.
    SetHealth(ServiceName, InstanceId, Health),
    /// The instance is gone, or is about to go and must be given nothing more.
    Remove(ServiceName, InstanceId),
}

impl Catalog {
    /// The service's instances; none when it is unknown.
    pub fn instances(&self, service: &str) -> Option<&Arc<Instances>> {
        self.services.get(service)
    }

    /// Every service with at least one instance, by name.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceName, &Arc<Instances>)> {
        self.services.iter()
    }

    /// The catalog after `change`, or none when nothing changes: a heartbeat that says what is
    /// known already makes no snapshot.
    pub fn apply(&self, change: Change) -> Option<Catalog> {
        match change {
            Change::Put(service, instance) => self.put(service, instance),
            Change::SetHealth(service, id, health) => {
                let mut instance = self.instances(service.as_str())?.get(&id)?.clone();
                instance.health = health;
                self.put(service, instance)
            }
            Change::Remove(service, id) => self.remove(service, &id),
        }
    }

    fn put(&self, service: ServiceName, instance: Instance) -> Option<Catalog> {
        let known = self.instances(service.as_str());
        if known.and_then(|all| all.get(&instance.id)) == Some(&instance) {
            return None;
        }
        let mut instances = known.map(|all| Instances::clone(all)).unwrap_or_default();
        instances.insert(instance.id.clone(), instance);
        let mut next = self.clone();
        next.services.insert(service, Arc::new(instances));
        Some(next)
    }

    fn remove(&self, service: ServiceName, id: &InstanceId) -> Option<Catalog> {
        let mut instances = Instances::clone(self.instances(service.as_str())?);
        instances.remove(id)?;
        let mut next = self.clone();
        if instances.is_empty() {
            next.services.remove(&service);
        } else {
            next.services.insert(service, Arc::new(instances));
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).expect("a legal name")
    }

    fn instance(id: &str, health: Health) -> Instance {
        Instance {
            id: InstanceId::from(id),
            host: "127.0.0.1".to_owned(),
            port: 1,
            version: None,
            health,
            weight: 1,
            zone: None,
        }
    }

    fn with(changes: impl IntoIterator<Item = Change>) -> Catalog {
        changes
            .into_iter()
            .fold(Catalog::default(), |catalog, change| {
                catalog
                    .apply(change)
                    .expect("each change changes something")
            })
    }

    #[test]
    fn what_is_known_already_makes_no_new_catalog() {
        let put = || Change::Put(name("a"), instance("a-1", Health::Ready));
        let catalog = with([put()]);
        assert_eq!(catalog.apply(put()), None);
        let same = Change::SetHealth(name("a"), "a-1".into(), Health::Ready);
        assert_eq!(catalog.apply(same), None);
        let unknown = Change::SetHealth(name("a"), "a-2".into(), Health::Ready);
        assert_eq!(catalog.apply(unknown), None);
        assert_eq!(catalog.apply(Change::Remove(name("b"), "a-1".into())), None);
    }

    #[test]
    fn services_that_did_not_change_are_shared() {
        let before = with([
            Change::Put(name("a"), instance("a-1", Health::Ready)),
            Change::Put(name("b"), instance("b-1", Health::Ready)),
        ]);
        let after = before
            .apply(Change::SetHealth(name("b"), "b-1".into(), Health::Unready))
            .expect("health changed");
        let of = |catalog: &Catalog, service| catalog.instances(service).cloned().expect("known");
        assert!(Arc::ptr_eq(&of(&before, "a"), &of(&after, "a")));
        assert!(!Arc::ptr_eq(&of(&before, "b"), &of(&after, "b")));
        assert_eq!(of(&after, "b")[&"b-1".into()].health, Health::Unready);
    }

    #[test]
    fn the_last_instance_takes_its_service_along() {
        let catalog = with([
            Change::Put(name("a"), instance("a-1", Health::Ready)),
            Change::Remove(name("a"), "a-1".into()),
        ]);
        assert_eq!(catalog, Catalog::default());
    }
}
