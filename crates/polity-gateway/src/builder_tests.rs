//! Snapshots over changes: what is shared, what is retired, and that nothing comes back.

use polity_balance::Zone;
use polity_catalog::{Change, Instance as Listed};

use super::*;

const PLAN: &str = "[service.a]\nrun = \"a\"\nroute = \"/\"\n[service.b]\nrun = \"b\"\n";

fn plan() -> Arc<Plan> {
    plan_of(PLAN)
}

fn plan_of(text: &str) -> Arc<Plan> {
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
    Change::Put(name(service), listed(id, port))
}

fn listed(id: &str, port: u16) -> Listed {
    Listed {
        id: id.into(),
        host: "127.0.0.1".to_owned(),
        port,
        version: None,
        health: Health::Ready,
        weight: 1,
        zone: None,
    }
}

struct Setting {
    builder: Builder,
    catalog: Published<Catalog>,
}

impl Setting {
    fn new() -> Self {
        let catalog = Published::new(Catalog::default());
        let builder = Builder::new(plan(), catalog.clone(), Given::of_a_test(4096));
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

#[test]
fn an_instance_that_changes_its_weight_stays_the_same() {
    let setting = Setting::new();
    let weighing = |weight| Listed {
        weight,
        ..listed("a-1", 1)
    };
    setting.change(Change::Put(name("a"), weighing(2)));
    let (before, service) = (setting.instance("a-1"), setting.service("a"));
    assert_eq!(before.endpoint.weight(), 2);
    setting.change(Change::Put(name("a"), weighing(5)));
    assert_eq!(before.endpoint.weight(), 5);
    assert!(setting.instance("a-1").is(&before));
    assert!(
        !Arc::ptr_eq(&service, &setting.service("a")),
        "rotations are of before"
    );
}

#[test]
fn an_instance_is_near_or_far_by_the_zone_of_the_gateway() {
    let setting = Setting::new();
    let far = Listed {
        zone: Some("b".to_owned()),
        ..listed("a-2", 2)
    };
    setting.change(put("a", "a-1", 1));
    setting.change(Change::Put(name("a"), far));
    let zones = || ["a-1", "a-2"].map(|id| setting.instance(id).endpoint.zone());
    assert_eq!(zones(), [Zone::Own, Zone::Own]);
    let near = setting.instance("a-1");
    let zoned = |zone: &str| plan_of(&format!("[gateway]\nzone = \"{zone}\"\n{PLAN}"));
    setting.builder.replan(zoned("a"));
    assert_eq!(zones(), [Zone::Own, Zone::Other]);
    assert!(setting.instance("a-1").is(&near));
    setting.builder.replan(zoned("b"));
    assert_eq!(zones(), [Zone::Own, Zone::Own]);
}

#[test]
fn a_service_balanced_in_another_way_keeps_its_instances() {
    let setting = Setting::new();
    setting.change(put("a", "a-1", 1));
    let before = setting.instance("a-1");
    let other = PLAN.replace("route", "balance = \"peak_ewma\"\nroute");
    setting.builder.replan(plan_of(&other));
    let settings = *setting.service("a").shared.balancer.settings();
    assert_eq!(settings.policy, polity_balance::Policy::PeakEwma);
    assert!(setting.instance("a-1").is(&before));
}

#[test]
fn an_instance_that_was_left_out_gets_requests_again_once_its_checks_pass_again() {
    let setting = Setting::new();
    setting.change(put("a", "a-1", 1));
    let instance = setting.instance("a-1");
    instance.endpoint.eject();
    let health = |health| Change::SetHealth(name("a"), "a-1".into(), health);
    setting.change(put("a", "a-2", 2));
    setting.change(health(Health::Unready));
    assert!(instance.endpoint.is_ejected(), "nobody has found it well");
    setting.change(health(Health::Ready));
    assert!(!instance.endpoint.is_ejected());
    assert!(setting.instance("a-1").is(&instance));
}
