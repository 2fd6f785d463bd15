//! The fields a request arrives with.

use crate::support::*;

const PLAN: &str = "[service.orders]\nrun = \"orders\"\nroute = \"/\"\n";

#[tokio::test]
async fn a_request_is_given_ids_and_says_where_it_came_from() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let answer = system.get("/").await;
    assert_eq!(answer.sent("host"), Some("shop.example"));
    assert_eq!(answer.sent("x-request-id").map(str::len), Some(32));
    assert_eq!(answer.sent("traceparent").map(str::len), Some(55));
    assert_eq!(answer.sent("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(answer.sent("x-forwarded-proto"), Some("http"));
    assert_eq!(answer.sent("x-forwarded-host"), Some("shop.example"));
    assert_eq!(
        answer.sent("forwarded"),
        Some("for=127.0.0.1;host=\"shop.example\";proto=http")
    );
    let timeout: u64 = answer
        .sent("x-request-timeout-ms")
        .unwrap()
        .parse()
        .unwrap();
    assert!((29_000..=30_000).contains(&timeout), "{timeout}");
}

const CLAIMS: &str = "GET / HTTP/1.1\r\nhost: shop.example\r\nx-request-id: mine-1\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\ntracestate: a=b\r\nx-forwarded-for: 9.9.9.9, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nx_forwarded_for: 8.8.8.8\r\nx-forwarded-host: real.example\r\nforwarded: for=9.9.9.9\r\nx-request-timeout-ms: 1500\r\n\r\n";

#[tokio::test]
async fn ids_that_came_are_passed_on_and_claims_of_clients_are_not() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let answer = system.client().await.ask(CLAIMS).await;
    assert_eq!(answer.sent("x-request-id"), Some("mine-1"));
    assert_eq!(
        answer.sent("traceparent"),
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
    );
    assert_eq!(answer.sent("tracestate"), Some("a=b"));
    assert_eq!(answer.sent("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(answer.sent("x_forwarded_for"), None);
    assert_eq!(answer.sent("x-forwarded-proto"), Some("http"));
    assert_eq!(answer.sent("x-forwarded-host"), Some("shop.example"));
    assert!(!answer.body.contains("9.9.9.9"), "{}", answer.body);
    assert!(
        answer
            .sent("x-request-timeout-ms")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 20_000
    );
}

#[tokio::test]
async fn claims_of_a_trusted_proxy_are_passed_on_and_added_to() {
    let gateway = "[gateway]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let system = System::start(&format!("{gateway}{PLAN}")).await;
    let _orders = system.origin("orders", "orders-1").await;
    let answer = system.client().await.ask(CLAIMS).await;
    assert_eq!(
        answer.sent("x-forwarded-for"),
        Some("9.9.9.9, 10.0.0.1, 127.0.0.1")
    );
    assert_eq!(answer.sent("x_forwarded_for"), None);
    assert_eq!(answer.sent("x-forwarded-proto"), Some("https"));
    assert_eq!(answer.sent("x-forwarded-host"), Some("real.example"));
    assert_eq!(
        answer.sent("forwarded"),
        Some("for=9.9.9.9, for=127.0.0.1;host=\"shop.example\";proto=http")
    );
    let timeout: u64 = answer
        .sent("x-request-timeout-ms")
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=1500).contains(&timeout), "{timeout}");
}
