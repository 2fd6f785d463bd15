//! The admin API over real sockets, with a system that only pretends.

mod bounds;
mod fake;
mod topics;

use std::sync::atomic::Ordering;
use std::time::Instant;

use fake::{PATIENCE, read_until, start};
use polity_console::view::ServiceState;
use polity_console::{Console, Operation};
use serde_json::json;
use tokio::net::TcpStream;

#[tokio::test]
async fn every_call_needs_the_token_and_probes_need_none() {
    let running = start();
    for path in [
        "/api/v1/services",
        "/api/v1/openapi.json",
        "/api/v1/nothing",
        "/",
        "/healthz/x",
    ] {
        let answer = running.raw("GET", path, "", "").await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.head.contains("www-authenticate: bearer"),
            "{}",
            answer.head
        );
        assert!(
            answer.head.contains("application/problem+json"),
            "{}",
            answer.head
        );
    }
    let wrong = "authorization: Bearer 0000\r\n";
    assert_eq!(
        running
            .raw("GET", "/api/v1/services", wrong, "")
            .await
            .status,
        401
    );
    assert_eq!(
        running
            .raw("POST", "/api/v1/shutdown", wrong, "")
            .await
            .status,
        401
    );
    assert!(!running.fake.was_shut_down.load(Ordering::Relaxed));
    for path in ["/healthz", "/readyz"] {
        let elsewhere = "host: probe.example\r\n";
        assert_eq!(
            running.raw("GET", path, elsewhere, "").await.status,
            200,
            "{path}"
        );
    }
    assert_eq!(running.get("/api/v1/services").await.status, 200);
    assert_eq!(running.get("/api/v1/nothing").await.status, 404);
    assert_eq!(running.call("DELETE", "/api/v1/plan", "").await.status, 405);
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_even_with_the_token() {
    let running = start();
    let token = running.authorization();
    let check = async |headers: &str, expected: u16, cause: &str| {
        let headers = format!("{token}{headers}");
        let answer = running.raw("GET", "/api/v1/services", &headers, "").await;
        assert_eq!(answer.status, expected, "{headers}");
        if expected == 403 {
            assert_eq!(answer.json()["type"], format!("urn:polity:problem:{cause}"));
        }
    };
    check("host: evil.example\r\n", 403, "foreign-host").await;
    check("origin: http://evil.example\r\n", 403, "foreign-origin").await;
    check("origin: null\r\n", 403, "foreign-origin").await;
    check(&format!("origin: http://{}\r\n", running.address), 200, "").await;
}

#[tokio::test]
async fn readiness_follows_the_services() {
    let running = start();
    let ready = async || running.raw("GET", "/readyz", "", "").await;
    assert_eq!(ready().await.status, 200);
    *running.fake.state.lock().expect("no panic") = ServiceState::Down;
    let answer = ready().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["detail"], "1 of 2 services are ready");
    *running.fake.state.lock().expect("no panic") = ServiceState::Degraded;
    assert_eq!(ready().await.status, 200);
}

#[tokio::test]
async fn a_service_scaled_to_nothing_is_not_missed() {
    let running = start();
    *running.fake.state.lock().expect("no panic") = ServiceState::Down;
    running.fake.replicas.store(0, Ordering::Relaxed);
    let answer = running.raw("GET", "/readyz", "", "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_plan_is_shown_without_its_secrets() {
    let answer = start().get("/api/v1/plan").await;
    assert!(!answer.body.contains("s3cret"), "{}", answer.body);
    let program = &answer.json()["services"]["orders"]["program"];
    assert_eq!(program["env"], json!({ "API_KEY": "***" }));
    assert_eq!(program["database"], "postgres://app:***@db/orders");
}

#[tokio::test]
async fn services_and_instances_are_listed() {
    let running = start();
    let services = running.get("/api/v1/services").await.json();
    assert_eq!(services[1]["name"], "orders");
    assert_eq!(
        running.get("/api/v1/services/orders").await.json(),
        services[1]
    );
    let instances = running.get("/api/v1/instances").await.json();
    assert_eq!(instances[0]["id"], "inventory-1");
    assert_eq!(instances[1]["id"], "orders-1");
}

#[tokio::test]
async fn an_unknown_service_is_answered_with_the_nearest() {
    let running = start();
    let unknown = "there is no service `order`: did you mean `orders`?";
    for (method, path) in [
        ("GET", "/api/v1/services/order"),
        ("POST", "/api/v1/services/order/deploy"),
        ("GET", "/api/v1/logs?service=order"),
    ] {
        let answer = running.call(method, path, "").await;
        assert_eq!(
            (answer.status, &answer.json()["detail"]),
            (404, &json!(unknown)),
            "{path}"
        );
    }
    let far = running.get("/api/v1/services/xyz").await.json();
    assert_eq!(
        far["detail"],
        "there is no service `xyz`: `polity ps` lists those there are"
    );
}

#[tokio::test]
async fn an_operation_is_told_step_by_step_as_it_happens() {
    let running = start();
    let authorization = running.authorization();
    let path = "/api/v1/services/orders/deploy";
    let mut stream = running.send("POST", path, &authorization, "").await;
    let begun = read_until(&mut stream, "Compiling orders").await;
    assert!(begun.starts_with("HTTP/1.1 200"), "{begun}");
    assert!(!begun.contains("done"), "{begun}");
    running.fake.go.notify_one();
    let rest = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(
        rest.contains(r#"{"type":"done","message":"orders runs v2","version":"v2"}"#),
        "{rest}"
    );
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_what_it_began() {
    let running = start();
    let authorization = running.authorization();
    let path = "/api/v1/services/orders/deploy";
    let mut stream = running.send("POST", path, &authorization, "").await;
    read_until(&mut stream, "building").await;
    drop(stream);
    // The next call is answered only after the connection's end could be seen.
    assert_eq!(running.get("/api/v1/services").await.status, 200);
    running.fake.go.notify_one();
    let deadline = Instant::now() + PATIENCE;
    while *running.fake.ended.lock().expect("no panic") != [Operation::Deploy] {
        assert!(Instant::now() < deadline, "the deploy never ended");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_operation_that_fails_says_why_in_its_last_line() {
    let running = start();
    running.fake.go.notify_one();
    let path = "/api/v1/services/orders/scale";
    let lines = running
        .call("POST", path, r#"{"replicas":3}"#)
        .await
        .lines();
    assert_eq!(
        lines.first(),
        Some(&json!({"type": "step", "text": "building"}))
    );
    let reason = "orders-3 did not become ready in 10 s";
    let failed = json!({"type": "failed", "reason": reason, "output": ["no such table"]});
    assert_eq!(lines.last(), Some(&failed));
}

#[tokio::test]
async fn what_is_refused_at_once_has_a_status_of_its_own() {
    let running = start();
    let scale = "/api/v1/services/orders/scale";
    let refused = running.call("POST", scale, r#"{"replicas":0}"#).await;
    assert_eq!(
        (refused.status, &refused.json()["detail"]),
        (422, &json!("at least one instance runs"))
    );
    let busy = running
        .call("POST", "/api/v1/services/orders/restart", "")
        .await;
    assert_eq!(busy.status, 409);
    let panicked = running.call("POST", scale, r#"{"replicas":13}"#).await;
    assert_eq!(panicked.status, 500);
    assert!(
        panicked.body.contains("ended unexpectedly"),
        "{}",
        panicked.body
    );
}

#[tokio::test]
async fn bodies_and_queries_are_checked() {
    let running = start();
    let scale = "/api/v1/services/orders/scale";
    let check = async |body: &str, expected: u16| {
        assert_eq!(
            running.call("POST", scale, body).await.status,
            expected,
            "{body}"
        );
    };
    check("", 400).await;
    check("{", 400).await;
    check(r#"{"replicas":-1}"#, 422).await;
    check(r#"{"replicas":1,"more":2}"#, 422).await;
    check(
        &format!(r#"{{"replicas":1,"pad":"{}"}}"#, "x".repeat(20_000)),
        413,
    )
    .await;
    let headers = running.authorization();
    let untyped = running
        .raw("POST", scale, &headers, r#"{"replicas":1}"#)
        .await;
    assert_eq!(untyped.status, 415);
    for query in [
        "lines=x",
        "lines=10001",
        "lines=-1",
        "follow=yes",
        "color=red",
    ] {
        let answer = running.get(&format!("/api/v1/logs?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.head.contains("application/problem+json"), "{query}");
    }
    assert_eq!(
        running.get("/api/v1/events?service=orders").await.status,
        400
    );
}

#[tokio::test]
async fn logs_come_one_record_a_line_and_go_on_when_followed() {
    let running = start();
    let path = "/api/v1/logs?service=orders&service=inventory&lines=2";
    let lines = running.get(path).await.lines();
    let texts: Vec<_> = lines
        .iter()
        .map(|line| line["line"].as_str().unwrap_or(""))
        .collect();
    let names = r#"["orders", "inventory"]"#;
    assert_eq!(
        texts,
        [format!("{names} past 0"), format!("{names} past 1")]
    );

    let headers = running.authorization();
    let mut stream = running
        .send("GET", "/api/v1/logs?follow=true&lines=1", &headers, "")
        .await;
    read_until(&mut stream, "past 0").await;
    for text in ["first", "second"] {
        running.fake.lines.send(text.to_owned()).expect("followed");
        read_until(&mut stream, text).await;
    }
    assert_eq!(running.get("/api/v1/events").await.lines().len(), 2);
}

#[tokio::test]
async fn shutdown_is_passed_on_and_a_drain_ends_the_followers() {
    let running = start();
    assert_eq!(
        running.call("POST", "/api/v1/shutdown", "").await.status,
        202
    );
    assert!(running.fake.was_shut_down.load(Ordering::Relaxed));
    let headers = running.authorization();
    let mut stream = running
        .send("GET", "/api/v1/logs?follow=true", &headers, "")
        .await;
    read_until(&mut stream, "past 2").await;
    running
        .fake
        .lines
        .send("last words".to_owned())
        .expect("followed");
    running.trigger.begin();
    // The chunk of no length: the stream was ended, not cut.
    let rest = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(rest.contains("last words"), "{rest}");
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(running.address).await.is_ok() {
        assert!(Instant::now() < deadline, "still listening");
    }
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_key_that_changes_it() {
    let running = start();
    let token = running.token.clone();
    let error = Console::bind(running.address, token, running.fake.clone())
        .err()
        .expect("taken");
    let message = error.to_string();
    let address = running.address;
    assert!(
        message.contains(&format!("could not listen on {address} for the console")),
        "{message}"
    );
    assert!(message.contains("`console.listen`"), "{message}");
}

#[tokio::test]
async fn the_description_names_every_path_and_its_token() {
    let description = start().get("/api/v1/openapi.json").await.json();
    let paths: Vec<_> = description["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .collect();
    assert_eq!(
        paths,
        [
            "/api/v1/events",
            "/api/v1/groups",
            "/api/v1/instances",
            "/api/v1/logs",
            "/api/v1/plan",
            "/api/v1/services",
            "/api/v1/services/{service}",
            "/api/v1/services/{service}/deploy",
            "/api/v1/services/{service}/restart",
            "/api/v1/services/{service}/scale",
            "/api/v1/shutdown",
            "/api/v1/topics",
            "/api/v1/topics/{topic}",
            "/api/v1/topics/{topic}/records",
            "/healthz",
            "/readyz",
        ]
    );
    assert_eq!(description["security"], json!([{ "token": [] }]));
    assert_eq!(
        description["paths"]["/healthz"]["get"]["security"],
        json!([{}])
    );
    for schema in [
        "Service",
        "Instance",
        "PlanView",
        "LogRecord",
        "Event",
        "OperationLine",
        "Problem",
    ] {
        let known = &description["components"]["schemas"][schema];
        assert!(known.is_object(), "{schema}");
    }
}
