//! Pages of other origins.

use tokio::net::TcpListener;

use crate::support::*;

const PLAN: &str = "[service.orders]\nrun = \"orders\"\n[[service.orders.routes]]\npath = \"/orders\"\nmethods = [\"GET\", \"PUT\"]\n\
     response_headers = { set = { x-frame-options = \"DENY\" } }\n\
     cors = { origins = [\"https://shop.example\"], headers = [\"x-a\"], expose = [\"x-total\"], credentials = true }\n\
     [[service.orders.routes]]\npath = \"/public\"\ncors = { origins = [\"*\"] }\n\
     [[service.orders.routes]]\npath = \"/plain\"\n";

fn preflight(path: &str, origin: &str, method: &str) -> String {
    format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\naccess-control-request-method: {method}\r\n\r\n"
    )
}

fn cors_lines(answer: &Answer) -> Vec<&str> {
    let mine = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("access-control-") || line.starts_with("vary")
    };
    answer.head.lines().filter(mine).collect()
}

#[tokio::test]
async fn a_preflight_is_answered_for_the_route_of_the_request_it_asks_about() {
    let system = System::start(PLAN).await;
    let mut client = system.client().await;
    let answer = client
        .ask(&preflight("/orders/7", "https://shop.example", "PUT"))
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        cors_lines(&answer),
        [
            "access-control-allow-origin: https://shop.example",
            "access-control-expose-headers: x-total",
            "access-control-allow-credentials: true",
            "vary: origin",
            "access-control-allow-methods: GET, PUT",
            "access-control-allow-headers: x-a",
            "access-control-max-age: 600",
        ]
    );
    assert_eq!(answer.field("x-frame-options"), Some("DENY"));
    assert_eq!(answer.field("content-length"), None);
    let answer = client
        .ask(&preflight("/orders", "https://evil.example", "PUT"))
        .await;
    assert_eq!(
        (answer.status, cors_lines(&answer)),
        (204, vec!["vary: origin"])
    );
    // No route takes a DELETE there.
    let answer = client
        .ask(&preflight("/orders", "https://shop.example", "DELETE"))
        .await;
    assert_eq!((answer.status, cors_lines(&answer).len()), (404, 0));
    let line = &system.lines(3).await[0];
    assert_eq!(
        (&line["method"], &line["status"], &line["route"]),
        (&"OPTIONS".into(), &204.into(), &"/orders".into())
    );
    assert!(
        line["service"].is_null() && line["reason"].is_null(),
        "{line}"
    );
}

#[tokio::test]
async fn questions_that_are_no_preflight_and_routes_without_cors_are_the_service_s() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    let answer = client
        .ask(&preflight("/plain", "https://shop.example", "GET"))
        .await;
    assert_eq!(
        (answer.status, answer.sent("origin")),
        (200, Some("https://shop.example"))
    );
    let answer = client
        .ask("OPTIONS /public HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    assert_eq!(
        (answer.status, answer.field("x-instance")),
        (200, Some("orders-1"))
    );
}

#[tokio::test]
async fn an_answer_says_who_may_read_it_in_place_of_what_the_service_says() {
    let system = System::start(PLAN).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    system.put("orders", "orders-1", "127.0.0.1", port);
    until(|| system.handle.instance_stats(&"orders-1".into()).is_some()).await;
    let mut client = system.client().await;
    let mut upstream = None;
    for (path, origin, expected) in [
        (
            "/orders",
            "origin: https://shop.example\r\n",
            &[
                "vary: accept",
                "access-control-allow-origin: https://shop.example",
                "access-control-expose-headers: x-total",
                "access-control-allow-credentials: true",
                "vary: origin",
            ][..],
        ),
        (
            "/orders",
            "origin: https://evil.example\r\n",
            &["vary: accept", "vary: origin"],
        ),
        ("/orders", "", &["vary: accept", "vary: origin"]),
        (
            "/public",
            "origin: null\r\n",
            &["vary: accept", "access-control-allow-origin: *"],
        ),
    ] {
        client
            .send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n{origin}\r\n"))
            .await;
        if upstream.is_none() {
            upstream = Some(Client::new(listener.accept().await.unwrap().0));
        }
        let upstream = upstream.as_mut().unwrap();
        upstream.head().await.expect("a head");
        upstream
            .send(
                "HTTP/1.1 200 OK\r\nvary: accept\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 1\r\ncontent-length: 0\r\n\r\n",
            )
            .await;
        let answer = client.answer().await.unwrap();
        assert_eq!(cors_lines(&answer), expected, "{path} {origin}");
    }
}

#[tokio::test]
async fn a_page_can_read_why_it_was_refused() {
    let system = System::start(PLAN).await;
    let mut client = system.client().await;
    let answer = client
        .ask("GET /orders HTTP/1.1\r\nhost: a\r\norigin: https://shop.example\r\n\r\n")
        .await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://shop.example")
    );
    assert_eq!(answer.field("vary"), Some("origin"));
}
