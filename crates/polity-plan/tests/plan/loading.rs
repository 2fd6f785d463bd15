//! What a good plan becomes.

use std::time::Duration;

use polity_plan::{Database, HealthAsks, HealthCheck, Origin, Port, Protocol, Upstream};

use crate::plan;

const FULLER: &str = r#"
[gateway]
listen = ":8080"

[service.orders]
build = "cargo build --release -p orders"
run = "target/release/orders"
dir = "."
route = "/orders"
replicas = 2
health = "/health"
database = "sqlite"
calls = ["inventory"]
publishes = ["order.placed"]
env = { LOG = "info" }
timeout = "30s"

[service.tracker]
run = ["sh", "-c", "node tracker.js --port {port}"]
consumes = ["order.placed"]
watch = ["src"]

[[service.tracker.routes]]
host = "shop.example.com"
path = "/shipments"
methods = ["GET", "POST"]
headers = { x-beta = "1" }
strip = true

[service.worker]
run = "./worker"
port = false

[service.inventory]
url = "http://10.0.0.7:9000"
retry = { attempts = 2, budget = 0.2 }
balance = "p2c"

[task.migrate]
run = "./migrate"
before = ["orders"]
"#;

#[test]
fn the_smallest_plan_has_every_default() {
    let plan = plan("[service.hello]\nrun = \"python3 hello.py\"\nroute = \"/\"\n");
    assert_eq!(plan.gateway.listen.host, None);
    assert_eq!(plan.gateway.listen.port, 8080);
    assert_eq!(plan.console.listen.port, 7070);
    assert!(plan.console.listen.host.unwrap().is_loopback());
    let hello = &plan.services["hello"];
    assert_eq!(hello.protocol, Protocol::Http);
    assert_eq!(hello.timeout, Duration::from_secs(30));
    assert_eq!((hello.retry.attempts, hello.retry.budget), (2, 0.2));
    let program = hello.program().unwrap();
    assert_eq!(program.run.words, ["python3", "hello.py"]);
    assert_eq!(program.dir.as_os_str(), ".");
    assert_eq!((program.port, program.replicas), (Port::Auto, 1));
    let health = HealthCheck {
        asks: HealthAsks::Connect,
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
    };
    assert_eq!(program.health, health);
    assert_eq!(program.start_timeout, Duration::from_secs(60));
    assert_eq!(program.stop_timeout, Duration::from_secs(10));
    assert_eq!(program.restart_after, Duration::from_secs(30));
    assert_eq!(program.database, None);
}

#[test]
fn the_fuller_plan_of_the_documentation_loads() {
    let plan = plan(FULLER);
    let names: Vec<_> = plan.services.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["inventory", "orders", "tracker", "worker"]);
    let orders = plan.services["orders"].program().unwrap();
    assert_eq!(orders.database, Some(Database::Sqlite));
    let asks = HealthAsks::Get("/health".to_owned());
    assert_eq!(orders.health.asks, asks);
    assert_eq!(orders.env["LOG"], "info");
    let inventory = Upstream {
        host: "10.0.0.7".to_owned(),
        port: 9000,
        weight: 1,
        zone: None,
    };
    assert_eq!(
        plan.services["inventory"].origin,
        Origin::External(vec![inventory])
    );
    let order: Vec<_> = plan
        .start_order
        .iter()
        .flatten()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(order, ["inventory", "orders", "tracker", "worker"]);
}
