//! Tests of what `polity ps` shows.

use polity_console::view::{InstanceState, ServiceState, Standing};

use super::*;

fn instance(id: &str, state: InstanceState) -> Instance {
    Instance {
        id: id.to_owned(),
        service: "orders".to_owned(),
        state,
        version: Some("3f2a91c".to_owned()),
        pid: Some(4711),
        restarts: 0,
        address: Some("127.0.0.1:20001".to_owned()),
        uptime_ms: Some(65_000),
        requests_per_second: Some(12.34),
        p99_ms: Some(4.25),
        balance: None,
        note: None,
    }
}

fn services() -> Vec<Service> {
    let orders = Service {
        name: "orders".to_owned(),
        state: ServiceState::Degraded,
        external: false,
        replicas: Some(2),
        scaled: true,
        routes: vec!["/orders".to_owned()],
        note: None,
        instances: vec![
            instance("orders-1", InstanceState::Ready),
            Instance {
                restarts: 12,
                address: None,
                uptime_ms: None,
                requests_per_second: None,
                p99_ms: None,
                note: Some("crash loop: exit code 1, next start in 8 s".to_owned()),
                ..instance("orders-12", InstanceState::Waiting)
            },
        ],
    };
    let tracker = Service {
        name: "tracker".to_owned(),
        state: ServiceState::Down,
        scaled: false,
        note: Some("build failed: exit code 101".to_owned()),
        instances: Vec::new(),
        ..orders.clone()
    };
    vec![orders, tracker]
}

#[test]
fn the_table_is_aligned_and_says_what_is_wrong_below() {
    let expected = "\
SERVICE  INSTANCE   STATE    VERSION  RESTARTS  REQ/S     P99  ADDRESS          UPTIME
orders   orders-1   ready    3f2a91c         0   12.3  4.2 ms  127.0.0.1:20001   1m05s
orders   orders-12  waiting  3f2a91c        12      -       -  -                     -
tracker  -          down     -               -      -       -  -                     -
orders: scaled to 2, until `replicas` is next edited in the plan
orders-12: crash loop: exit code 1, next start in 8 s
tracker: build failed: exit code 101
";
    assert_eq!(render(&services(), Style::Plain), expected);
}

#[test]
fn an_instance_that_is_new_is_told_of() {
    let standing = Standing {
        weight: 1,
        zone: None,
        ejected: false,
        failure_rate: 0.625,
        utilization: Some(0.5),
        share: 1.0,
    };
    let check = |standing: Standing, expected: &str| {
        let mut services = services();
        services.truncate(1);
        services[0].scaled = false;
        services[0].instances.truncate(1);
        services[0].instances[0].balance = Some(standing);
        assert_eq!(remarks(&services, Style::Plain), expected);
    };
    check(standing.clone(), "");
    let new = Standing {
        share: 0.1,
        ..standing
    };
    check(
        new,
        "orders-1: new, and given 10% of its share of requests\n",
    );
}

#[test]
fn a_pipe_gets_no_colour_codes_and_a_terminal_does() {
    assert!(!render(&services(), Style::Plain).contains('\x1b'));
    let coloured = render(&services(), Style::Coloured);
    assert!(coloured.contains("\x1b[32mready\x1b[0m"), "{coloured}");
    assert!(coloured.contains("\x1b[31mdown\x1b[0m"), "{coloured}");
}

#[test]
fn ages_and_times_have_the_unit_that_fits() {
    let check = |seconds, expected| assert_eq!(age(Duration::from_secs(seconds)), expected);
    check(0, "0s");
    check(59, "59s");
    check(60, "1m00s");
    check(3_599, "59m59s");
    check(3_660, "1h01m");
    check(90_000, "1d01h");
    let check = |value, expected| assert_eq!(milliseconds(value), expected);
    check(0.04, "0.0 ms");
    check(9.99, "10.0 ms");
    check(250.4, "250 ms");
    check(12_345.0, "12.3 s");
}
