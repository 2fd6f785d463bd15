//! Tests of how the supervisor's words are put to the admin API.

use polity_core::VersionId;
use polity_supervisor::event::Event;
use polity_supervisor::service::status::Kind;

use super::*;

fn name() -> ServiceName {
    ServiceName::new("orders").expect("a legal name")
}

fn id(number: u32) -> InstanceId {
    InstanceId::numbered(&name(), number)
}

fn status(stage: Stage, replicas: u32, ready: u32) -> ServiceStatus {
    let instance = |number| InstanceStatus {
        id: id(number),
        state: InstanceState::Ready,
        pid: None,
        address: None,
        version: VersionId::from("v1"),
        restarts: 0,
        since_ms: 0,
        last_exit: None,
        message: None,
        lines: Vec::new(),
    };
    ServiceStatus {
        service: name(),
        kind: Kind::Http,
        replicas,
        planned_replicas: None,
        stage,
        operation: None,
        version: None,
        message: None,
        instances: (1..=ready).map(instance).collect(),
    }
}

#[test]
fn a_service_is_ready_only_when_somebody_answers() {
    let check = |replicas, ready, expected| {
        let told = state(&status(Stage::Running, replicas, ready));
        assert_eq!(told, expected, "{ready} of {replicas}");
    };
    check(2, 2, view::ServiceState::Ready);
    check(2, 3, view::ServiceState::Ready);
    check(2, 1, view::ServiceState::Degraded);
    check(2, 0, view::ServiceState::Down);
    check(0, 0, view::ServiceState::Down);
    check(0, 1, view::ServiceState::Ready);
}

#[test]
fn a_step_names_the_instance_that_takes_it() {
    let check = |instance, expected: &str| {
        let event = Event {
            time_ms: 0,
            service: name(),
            instance,
            kind: EventKind::Ready,
            message: "is ready".to_owned(),
            lines: Vec::new(),
        };
        assert_eq!(step(&event), expected);
    };
    check(Some(id(2)), "orders-2: is ready");
    check(None, "is ready");
}
