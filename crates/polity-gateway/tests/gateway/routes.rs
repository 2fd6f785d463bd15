//! Which service a request goes to, and what path it arrives with.

use crate::support::*;

const PLAN: &str = r#"
[service.orders]
run = "orders"
route = "/orders"

[service.tracker]
run = "tracker"
[[service.tracker.routes]]
path = "/shipments"
strip = true
[[service.tracker.routes]]
host = "track.example"
path = "/"
rewrite = "/v1"
[[service.tracker.routes]]
path = "/orders"
methods = ["DELETE"]
[[service.tracker.routes]]
path = "/orders"
headers = { x-beta = "1" }
"#;

#[tokio::test]
async fn requests_go_by_the_most_specific_route() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let _tracker = system.origin("tracker", "tracker-1").await;
    let mut client = system.client().await;
    let mut check = async |request: &str, instance: &str, line: &str| {
        let answer = client.ask(&format!("{request}\r\n\r\n")).await;
        assert_eq!(answer.field("x-instance"), Some(instance), "{request}");
        assert_eq!(answer.body.lines().next(), Some(line), "{request}");
    };
    let host = "host: shop.example";
    check(
        &format!("GET /orders/1?a=b HTTP/1.1\r\n{host}"),
        "orders-1",
        "GET /orders/1?a=b HTTP/1.1",
    )
    .await;
    check(
        &format!("DELETE /orders/1 HTTP/1.1\r\n{host}"),
        "tracker-1",
        "DELETE /orders/1 HTTP/1.1",
    )
    .await;
    check(
        &format!("GET /orders HTTP/1.1\r\n{host}\r\nX-Beta: 1"),
        "tracker-1",
        "GET /orders HTTP/1.1",
    )
    .await;
    check(
        &format!("GET /orders HTTP/1.1\r\n{host}\r\nX-Beta: 1\r\nX-Beta: 1"),
        "orders-1",
        "GET /orders HTTP/1.1",
    )
    .await;
    check(
        &format!("GET /shipments/7?x HTTP/1.1\r\n{host}"),
        "tracker-1",
        "GET /7?x HTTP/1.1",
    )
    .await;
    check(
        "GET /a HTTP/1.1\r\nhost: TRACK.example:80",
        "tracker-1",
        "GET /v1/a HTTP/1.1",
    )
    .await;
    check(
        &format!("GET http://track.example/a HTTP/1.1\r\n{host}"),
        "tracker-1",
        "GET /v1/a HTTP/1.1",
    )
    .await;
}

#[tokio::test]
async fn what_is_forwarded_is_what_was_matched() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let answer = system.get("/x/../%6Frders/%2e/a%2fb").await;
    assert_eq!(
        answer.body.lines().next(),
        Some("GET /orders/a%2Fb HTTP/1.1")
    );
    let answer = system.get("/../orders").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.problem()["type"],
        "urn:polity:problem:malformed-request"
    );
}

#[tokio::test]
async fn requests_are_spread_over_the_instances_that_are_ready() {
    let system = System::start(PLAN).await;
    let _one = system.origin("orders", "orders-1").await;
    let _two = system.origin("orders", "orders-2").await;
    let mut client = system.client().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        seen.insert(
            client
                .get("/orders")
                .await
                .field("x-instance")
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(seen.len(), 2);
    let unready = polity_catalog::Health::Unready;
    system.change(polity_catalog::Change::SetHealth(
        name("orders"),
        "orders-2".into(),
        unready,
    ));
    let mut streak = 0;
    while streak < 20 {
        match client.get("/orders").await.field("x-instance") {
            Some("orders-1") => streak += 1,
            _ => streak = 0,
        }
    }
    // A request is counted once its answer is on its way.
    let summary = || system.handle.stats(&name("orders")).unwrap();
    until(|| summary().requests >= 70).await;
    let summary = summary();
    assert_eq!(summary.errors, 0);
    assert!(
        summary.p99.is_some() && summary.requests_per_second > 0.0,
        "{summary:?}"
    );
    let instance = system.handle.instance_stats(&"orders-1".into()).unwrap();
    assert!(instance.requests >= 20, "{instance:?}");
    assert_eq!(system.handle.stats(&name("nobody")), None);
}
