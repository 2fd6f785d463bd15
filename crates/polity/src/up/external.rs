//! Services that run elsewhere: what the plan says of them, written into the catalog.

use std::collections::BTreeSet;

use polity_catalog::{Catalog, Change, Health, Instance};
use polity_core::{InstanceId, ServiceName};
use polity_plan::{Origin, Plan, Service};
use polity_runtime::Published;

/// Writes the external services of `plan`, and takes out what only `before` had.
pub fn publish(catalog: &Published<Catalog>, before: Option<&Plan>, plan: &Plan) {
    let wanted: Vec<Change> = instances(plan)
        .map(|(service, instance)| Change::Put(service, instance))
        .collect();
    let ids: BTreeSet<InstanceId> = instances(plan).map(|(_, instance)| instance.id).collect();
    let gone = before
        .into_iter()
        .flat_map(instances)
        .filter_map(|(service, instance)| {
            let gone = !ids.contains(&instance.id);
            gone.then_some(Change::Remove(service, instance.id))
        });
    for change in wanted.into_iter().chain(gone) {
        catalog.update(|catalog| catalog.apply(change));
    }
}

fn instances(plan: &Plan) -> impl Iterator<Item = (ServiceName, Instance)> {
    plan.services
        .values()
        .flat_map(|service| of_service(service))
}

/// The id says the place, so that an edit which moves one place leaves the others as they are; an
/// address never looks like the id of an instance that Polity runs.
fn of_service(service: &Service) -> impl Iterator<Item = (ServiceName, Instance)> {
    let places = match &service.origin {
        Origin::External(places) => places.as_slice(),
        Origin::Run(_) => &[],
    };
    places.iter().map(|place| {
        let id = format!("{}@{}:{}", service.name, place.host, place.port);
        let instance = Instance {
            id: InstanceId::from(id.as_str()),
            host: place.host.clone(),
            port: place.port,
            version: None,
            health: Health::Ready,
            weight: place.weight,
            zone: place.zone.clone(),
        };
        (service.name.clone(), instance)
    })
}
