//! The shop of examples/: its whole main job.

use std::env;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::http::{get, post};
use crate::system::{POLITY, System, run};
use crate::wait;

/// The plan of the example, with free ports.
const PLAN: &str = include_str!("../../../../examples/shop/polity.toml");

const SERVICES: [&str; 3] = ["orders", "inventory", "tracker"];

/// The folder of the example.
fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/shop")
        .canonicalize()
        .unwrap()
}

/// Where the services' programs are, built once for all tests.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--target-dir", "../../target"]);
        build.args(SERVICES.map(|service| format!("--package=shop-{service}")));
        build.current_dir(example());
        let status = build.status().expect("cargo runs");
        assert!(status.success(), "the shop builds");
        example().join("../../target/debug").canonicalize().unwrap()
    })
}

/// The shop's plan where a build is a copy of the program that was built, which takes no time.
pub(crate) fn quick_plan() -> String {
    let programs = programs().display();
    let mut plan = free(PLAN);
    for service in SERVICES {
        let (start, end) = ["build = ", "run = "]
            .map(|key| line_of(&plan, service, key))
            .into();
        let replaced = format!(
            "build = \"cp {programs}/shop-{service} shop-{service}\"\nrun = \"./shop-{service}\"\n"
        );
        plan.replace_range(start.start..end.end, &replaced);
    }
    plan
}

/// Where a key's line of a service starts and ends.
fn line_of(plan: &str, service: &str, key: &str) -> Range<usize> {
    let section = plan
        .find(&format!("[service.{service}]"))
        .expect("the service");
    let start = section + plan[section..].find(key).expect("the key");
    let end = start + plan[start..].find('\n').expect("a line") + 1;
    start..end
}

/// A Kafka cluster to be used in place of Polity's own broker, to see that the shop does not tell
/// them apart. It is shared by all tests, so that one can be run at a time.
const KAFKA: &str = "E2E_KAFKA";

fn free(plan: &str) -> String {
    let fixed = "listen = \"127.0.0.1:8080\"";
    assert!(plan.contains(fixed));
    let events = match env::var(KAFKA) {
        Ok(kafka) => format!("kafka = \"{kafka}\""),
        Err(_) => "listen = \"127.0.0.1:0\"".to_owned(),
    };
    plan.replace(
        fixed,
        &format!(
            "listen = \"127.0.0.1:0\"\n\n[console]\nlisten = \"127.0.0.1:0\"\n\n[events]\n{events}"
        ),
    )
}

pub(crate) fn quick() -> System {
    System::folder(&quick_plan()).started()
}

fn order(system: &System, item: &str, quantity: u32) -> (u16, Value) {
    let body = json!({"item": item, "quantity": quantity}).to_string();
    let answer = post(system.gateway(), "/orders", &body);
    (answer.status, answer.json())
}

/// Waits until an order is shipped, and gives it.
#[track_caller]
fn wait_for_shipment(system: &System, id: &str) -> Value {
    wait::until("the order is shipped", || {
        let answer = get(system.gateway(), &format!("/orders/{id}"));
        let order = (answer.status == 200).then(|| answer.json())?;
        (order["state"] == "shipped").then_some(order)
    })
}

fn in_stock(system: &System, item: &str) -> u64 {
    let stock = get(system.gateway(), "/stock").json();
    let mut items = stock.as_array().unwrap().iter();
    let found = items.find(|stock| stock["item"] == item).expect("the item");
    found["in_stock"].as_u64().unwrap()
}

#[test]
fn the_example_is_built_and_run_as_it_stands() {
    let in_example =
        |service: &str| format!("[service.{service}]\ndir = \"{}\"", example().display());
    let plan = SERVICES.iter().fold(free(PLAN), |plan, service| {
        plan.replace(&format!("[service.{service}]"), &in_example(service))
    });
    programs();
    let system = System::folder(&plan)
        .with_env("SHOP_PROFILE", "dev")
        .with_env("SHOP_TARGET", "../../target/debug")
        .started();
    let (status, order) = order(&system, "gopher", 2);
    assert_eq!(status, 201, "{order}");
    assert_eq!(system.pids("orders").len(), 2);
}

#[test]
fn an_order_reserves_and_ships() {
    let system = quick();
    let gateway = system.gateway();
    let (status, order) = order(&system, "gopher", 2);
    assert_eq!(status, 201, "{order}");
    let id = order["id"].as_str().unwrap();
    let expected = json!({"id": id, "item": "gopher", "quantity": 2, "state": "placed"});
    assert_eq!(order, expected);

    let shipped = wait_for_shipment(&system, id);
    assert_eq!(get(gateway, "/orders").json(), json!([shipped]));
    wait::until("the tracker is said to have consumed all there is", || {
        let said = system.succeeds(&["groups", "tracker", "--json"]);
        let group: Value = serde_json::from_str(&said.stdout).unwrap();
        let done = json!([group["state"], group["members"], group["lag"]]);
        (done == json!(["Stable", 1, 0])).then_some(())
    });
    assert_eq!(
        get(gateway, &format!("/shipments?order={id}")).json(),
        json!([{"order": id, "item": "gopher", "quantity": 2}])
    );
    assert_eq!(in_stock(&system, "gopher"), 98);
}

#[test]
fn more_than_the_stock_is_refused_and_reserves_nothing() {
    let system = quick();
    let (status, problem) = order(&system, "elephant", 3);
    assert_eq!(status, 409);
    assert_eq!(problem["detail"], "3 of `elephant` asked for, 2 in stock");
    assert_eq!(in_stock(&system, "elephant"), 2);
    assert_eq!(get(system.gateway(), "/orders").json(), json!([]));
    assert_eq!(get(system.gateway(), "/shipments").json(), json!([]));
}

#[test]
fn a_bad_order_is_told_why() {
    let system = quick();
    let check = |body: &str, status: u16, detail: &str| {
        let answer = post(system.gateway(), "/orders", body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let told = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.contains(detail), "{told}");
    };
    check("{", 400, "EOF while parsing an object at line 1 column 1");
    check(r#"{"item":"gopher"}"#, 400, "missing field `quantity`");
    check(
        r#"{"item":"gopher","quantity":0}"#,
        400,
        "expected a nonzero u32",
    );
    check(
        r#"{"item":"gopher","quantity":2,"colour":1}"#,
        400,
        "unknown field `colour`",
    );
    check(
        r#"{"item":"unicorn","quantity":1}"#,
        422,
        "no item `unicorn`",
    );
    assert_eq!(get(system.gateway(), "/orders/nope").status, 404);
}

#[test]
fn an_order_is_taken_while_the_tracker_is_away_and_ships_when_it_is_back() {
    // The tracker can be started only while a file is there.
    let gated = r#"run = ["sh", "-c", "test -e gate && exec ./shop-tracker"]"#;
    let plan = quick_plan().replace("run = \"./shop-tracker\"", gated);
    let system = System::folder(&plan);
    let gate = system.path().join("gate");
    fs::write(&gate, "").unwrap();
    let system = system.started();

    fs::remove_file(&gate).unwrap();
    system.kill(system.pids("tracker")[0]);
    let (status, placed) = order(&system, "gopher", 5);
    assert_eq!(status, 201, "{placed}");
    assert_eq!(in_stock(&system, "gopher"), 95);

    fs::write(&gate, "").unwrap();
    let id = placed["id"].as_str().unwrap();
    wait_for_shipment(&system, id);
    assert_eq!(
        get(system.gateway(), &format!("/shipments?order={id}")).json(),
        json!([{"order": id, "item": "gopher", "quantity": 5}])
    );
}

#[test]
fn each_service_is_told_its_own_database_and_callees_only() {
    let system = quick();
    let told = |service: &str, name: &str| {
        let pid = system.pids(service)[0];
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let prefix = format!("{name}=");
        let mut pairs = environment
            .split(|byte| *byte == 0)
            .map(String::from_utf8_lossy);
        pairs.find_map(|pair| Some(pair.strip_prefix(&prefix)?.to_owned()))
    };
    for service in SERVICES {
        let url = told(service, "DATABASE_URL").expect("a database");
        assert!(url.starts_with("sqlite:////"), "{url}");
        assert!(url.ends_with(&format!("/{service}.sqlite")), "{url}");
        let calls = service == "orders";
        assert_eq!(told(service, "INVENTORY_URL").is_some(), calls);
        assert_eq!(told(service, "TRACKER_URL"), None);
        let brokers = told(service, "KAFKA_BROKERS").expect("events");
        assert_eq!(told(service, "KAFKA_BOOTSTRAP_SERVERS"), Some(brokers));
    }
}

#[test]
fn only_declared_routes_are_public() {
    let system = quick();
    assert_eq!(get(system.gateway(), "/reservations/1").status, 404);
    assert_eq!(get(system.gateway(), "/health").status, 404);
    let answer = post(system.gateway(), "/shipments", "{}");
    assert!([404, 405].contains(&answer.status), "{answer:?}");
}

#[test]
fn orders_survive_a_restart_of_the_whole() {
    let mut system = quick();
    let (_, order) = order(&system, "crab", 1);
    assert!(system.stop().success());
    let system = system.started();
    let id = order["id"].as_str().unwrap();
    let shipped = wait_for_shipment(&system, id);
    assert_eq!(get(system.gateway(), "/orders").json(), json!([shipped]));
}

#[test]
fn the_plan_has_nothing_to_be_warned_of() {
    let mut check = Command::new(POLITY);
    check.args(["check", "--deny", "warnings"]).arg(example());
    let said = run(check);
    assert!(said.status.success(), "{said:#?}");
}
