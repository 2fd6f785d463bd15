//! The environment contract, variable by variable.

use super::*;
use crate::simulation::{Sketch, name};

fn inherited() -> Environment {
    let pairs = [
        ("PATH", "/bin"),
        ("LANG", "C.UTF-8"),
        ("POLITY_DATA", "/elsewhere"),
        ("NOTIFY_SOCKET", "/run/systemd/notify"),
        ("DATABASE_URL", "postgres://somebody.else"),
        ("PORT", "1"),
        ("STOCK_KEEPER_URL", "http://somebody.else"),
        ("OTHER_URL", "http://unrelated"),
    ];
    let owned = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Environment::from(owned)
}

fn given(sketch: &Sketch, service: &str) -> Result<Environment, NoListener> {
    let plan = sketch.plan();
    let listen = |callee: &ServiceName| match callee.as_str() {
        "unreachable" => None,
        "cache" => Some(SocketAddr::from(([127, 0, 0, 1], 6000))),
        _ => Some(SocketAddr::from(([127, 0, 0, 1], 5000))),
    };
    of_release(Ingredients {
        plan: &plan,
        service: &plan.services[service],
        inherited: &inherited(),
        parts: Environment::from([("KAFKA_BROKERS".to_owned(), "127.0.0.1:9092".to_owned())]),
        calls: &listen,
        data: Path::new("/data"),
        version: &VersionId::from("v1"),
    })
}

/// The variables that a service is given beyond what is inherited by all, one per line.
fn check(sketch: &Sketch, service: &str, expected: &[&str]) {
    let release = given(sketch, service).expect("everything is there");
    let environment = of_instance(&release, &InstanceId::from("orders-1"), Some(4000));
    let lines: Vec<String> = environment
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let common = [
        "HOST=127.0.0.1",
        "KAFKA_BROKERS=127.0.0.1:9092",
        "LANG=C.UTF-8",
        "OTHER_URL=http://unrelated",
        "PATH=/bin",
        "POLITY_INSTANCE=orders-1",
        "POLITY_SERVICE=orders",
        "POLITY_VERSION=v1",
    ];
    let mut all: Vec<&str> = common.iter().chain(expected).copied().collect();
    all.sort_unstable();
    assert_eq!(lines, all);
}

fn shop() -> Sketch {
    Sketch::new()
        .service("stock-keeper")
        .service("cache")
        .edit("cache", |s| s.protocol = Protocol::Tcp)
        .service("orders")
}

#[test]
fn a_service_is_told_of_itself_and_of_nobody_it_does_not_call() {
    check(&shop(), "orders", &["PORT=4000"]);
}

#[test]
fn callees_are_told_by_their_protocol() {
    let sketch = shop()
        .calls("orders", "stock-keeper")
        .calls("orders", "cache");
    check(
        &sketch,
        "orders",
        &[
            "CACHE_HOST=127.0.0.1",
            "CACHE_PORT=6000",
            "CACHE_URL=tcp://127.0.0.1:6000",
            "PORT=4000",
            "STOCK_KEEPER_URL=http://127.0.0.1:5000",
        ],
    );
}

#[test]
fn a_database_is_told_as_its_url() {
    let sketch = |database| shop().with("orders", |p| p.database = Some(database));
    check(
        &sketch(Database::Sqlite),
        "orders",
        &[
            "DATABASE_PATH=/data/databases/orders.sqlite",
            "DATABASE_URL=sqlite:////data/databases/orders.sqlite",
            "PORT=4000",
        ],
    );
    check(
        &sketch(Database::Url("postgres://db/orders".to_owned())),
        "orders",
        &["DATABASE_URL=postgres://db/orders", "PORT=4000"],
    );
}

#[test]
fn what_the_plan_says_wins_over_all() {
    let sketch = shop().with("orders", |p| {
        p.env.insert("PORT".to_owned(), "80".to_owned());
        p.env.insert("DATABASE_URL".to_owned(), "mine".to_owned());
    });
    check(&sketch, "orders", &["DATABASE_URL=mine", "PORT=80"]);
}

#[test]
fn a_callee_without_a_listener_is_an_error() {
    let sketch = shop().service("unreachable").calls("orders", "unreachable");
    let error = given(&sketch, "orders").expect_err("it cannot be told");
    assert_eq!(error.callee, name("unreachable"));
}

#[test]
fn a_path_is_no_query() {
    let url = sqlite_url(Path::new("/100%/a?b#c.sqlite"));
    assert_eq!(url, "sqlite:////100%25/a%3Fb%23c.sqlite");
}
