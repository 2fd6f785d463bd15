//! Snapshots over changes: what is shared, what is retired, and that nothing comes back.

use polity_catalog::{Change, Instance as Listed};

use super::*;

fn plan() -> Arc<Plan> {
    let text = "[service.a]\nrun = \"a\"\nroute = \"/\"\n[service.b]\nrun = \"b\"\n";
    let loaded = polity_plan::load(polity_plan::Source {
        name: "polity.toml",
        text,
        environment: &|_| None,
    });
    Arc::new(loaded.plan.expect("valid"))
}

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).expect("legal")
}

fn put(service: &str, id: &str, port: u16) -> Change {
    let listed = Listed {
        id: id.into(),
        host: "127.0.0.1".to_owned(),
        port,
        version: None,
        health: Health::Ready,
        weight: 1,
        zone: None,
    };
    Change::Put(name(service), listed)
}

struct Setting {
    builder: Builder,
    catalog: Published<Catalog>,
}

impl Setting {
    fn new() -> Self {
        let catalog = Published::new(Catalog::default());
        let builder = Builder::new(plan(), catalog.clone());
        Self { builder, catalog }
    }

    fn change(&self, change: Change) {
        self.catalog.update(|catalog| catalog.apply(change));
        self.builder.rebuild();
    }

    fn service(&self, name: &str) -> Arc<Service> {
        self.builder
            .current()
            .service(name)
            .cloned()
            .expect("in the plan")
    }

    fn instance(&self, id: &str) -> Instance {
        self.builder.instance(&id.into()).expect("known")
    }
}

#[test]
fn a_change_of_one_service_leaves_the_others_the_same() {
    let setting = Setting::new();
    setting.change(put("a", "a-1", 1));
    setting.change(put("b", "b-1", 2));
    let (a, b) = (setting.service("a"), setting.service("b"));
    setting.change(put("b", "b-2", 3));
    assert!(Arc::ptr_eq(&a, &setting.service("a")));
    assert!(!Arc::ptr_eq(&b, &setting.service("b")));
    assert!(
        Arc::ptr_eq(&b.shared, &setting.service("b").shared),
        "its counts go on"
    );
    setting.builder.replan(plan());
    assert!(
        Arc::ptr_eq(&a, &setting.service("a")),
        "an equal plan changes nothing"
    );
}

#[test]
fn an_instance_keeps_its_counts_while_its_health_comes_and_goes() {
    let setting = Setting::new();
    setting.change(put("a", "a-1", 1));
    let before = setting.instance("a-1");
    for (health, ready) in [(Health::Unready, 0), (Health::Ready, 1)] {
        setting.change(Change::SetHealth(name("a"), "a-1".into(), health));
        assert_eq!(setting.service("a").ready.len(), ready);
        assert!(std::ptr::eq(&*before, &*setting.instance("a-1")));
    }
    assert!(!before.endpoint.is_retired());
}

#[test]
fn an_instance_that_goes_is_retired_and_remembered_while_requests_are_there() {
    let setting = Setting::new();
    setting.change(put("a", "a-1", 1));
    let place = polity_balance::InFlight::begin(setting.instance("a-1")).expect("open");
    setting.change(Change::Remove(name("a"), "a-1".into()));
    assert!(place.endpoint.is_retired());
    assert_eq!(setting.instance("a-1").endpoint.in_flight(), 1);
    drop(place);
    setting.change(put("b", "b-1", 2));
    assert!(
        setting.builder.instance(&"a-1".into()).is_none(),
        "forgotten once it is empty"
    );
}

#[test]
fn an_instance_that_moves_is_another() {
    let setting = Setting::new();
    setting.change(put("a", "a-1", 1));
    let before = setting.instance("a-1");
    setting.change(put("a", "a-1", 2));
    assert!(before.endpoint.is_retired());
    let ready = &setting.service("a").ready;
    assert_eq!(ready.len(), 1);
    assert!(!ready[0].endpoint.is_retired());
    assert_eq!(ready[0].port, 2);
}
