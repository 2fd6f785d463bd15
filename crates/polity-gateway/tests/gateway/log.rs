//! The access log.

use crate::support::*;

const PLAN: &str = "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\n";

#[tokio::test]
async fn each_request_is_a_line() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    let answer = client
        .ask("POST /orders/%6d?secret=1 HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nx-request-id: r\"1\r\n\r\nbody")
        .await;
    client.get("/no\"where").await;
    let doubled = "PUT /orders?secret=1 HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
    system.client().await.ask(doubled).await;
    let mut lines = system.lines(3).await;
    // Each thread writes its own lines; those of one connection are in order.
    lines.sort_by_key(|line| line["status"].as_u64());
    let line = &lines[0];
    assert_eq!(line["method"], "POST");
    assert_eq!(line["path"], "/orders/m", "the query is left out");
    assert_eq!(line["route"], "/orders");
    assert_eq!(line["service"], "orders");
    assert_eq!(line["instance"], "orders-1");
    assert_eq!(line["status"], 200);
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["bytes_in"], 4);
    assert_eq!(line["bytes_out"], answer.body.len());
    assert_eq!(line["attempts"], 1);
    assert_eq!(line["reason"], serde_json::Value::Null);
    assert_eq!(line["request_id"].as_str(), answer.sent("x-request-id"));
    assert_eq!(
        line["trace_id"].as_str(),
        answer.sent("traceparent").map(|id| &id[3..35])
    );
    assert!(line["duration_ms"].as_f64() >= line["upstream_ms"].as_f64());
    let time = line["time"].as_str().unwrap();
    assert!(
        time.len() == 24 && time.starts_with("20") && time.ends_with('Z'),
        "{time}"
    );
    assert_eq!(lines[1]["status"], 400);
    assert_eq!(lines[1]["method"], "PUT");
    assert_eq!(lines[1]["path"], "/orders");
    assert_eq!(lines[1]["reason"], "malformed-request");
    assert_eq!(lines[2]["status"], 404);
    assert_eq!(lines[2]["path"], "/no\"where");
    assert_eq!(lines[2]["reason"], "no-route");
    assert_eq!(lines[2]["service"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_request_that_the_end_cuts_off_is_a_line_and_a_failure() {
    let plan = format!("{PLAN}[service.shop]\nrun = \"shop\"\ncalls = [\"orders\"]\n");
    let system = System::start(&plan).await;
    let silent = system.played("orders", "orders-1").await;
    let (shop, orders) = (name("shop"), name("orders"));
    let address = system.handle.call_address(&shop, &orders).unwrap();
    let mut caller = Client::connect(address).await;
    caller.send("GET /orders HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let _instance = silent.accept().await.unwrap();
    system.public.drained().await;
    system.calls.drained().await;
    system.running.await.unwrap();
    assert!(caller.answer().await.is_none());
    let log = std::fs::read_to_string(&system.log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 1, "{log}");
    let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(line["reason"], "cut-off");
    assert_eq!(line["status"], serde_json::Value::Null);
    assert_eq!(line["instance"], "orders-1");
    for counted in [
        system.handle.stats(&orders).unwrap(),
        system.handle.instance_stats(&"orders-1".into()).unwrap(),
    ] {
        let all = (counted.requests, counted.errors, counted.in_flight);
        assert_eq!(all, (1, 1, 0));
    }
}

#[tokio::test]
async fn a_route_is_named_as_the_plan_writes_it() {
    let plan = "[service.orders]\nrun = \"orders\"\n\
         [[service.orders.routes]]\nexact = \"/orders\"\n\
         [[service.orders.routes]]\npath = \"/orders/old/\"\nstrip = true\n";
    let system = System::start(plan).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    for path in ["/orders", "/orders/old", "/orders/old/1"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    let lines = system.lines(3).await;
    let routes: Vec<&str> = lines.iter().filter_map(|it| it["route"].as_str()).collect();
    assert_eq!(routes, ["=/orders", "/orders/old/", "/orders/old/"]);
}
