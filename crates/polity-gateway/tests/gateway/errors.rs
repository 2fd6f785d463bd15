//! Errors made here: problems with a type, a reason, and whether the service was reached.

use std::time::Duration;

use polity_catalog::Catalog;
use polity_gateway::{Config, Gateway};
use polity_runtime::{DataPlane, Published};
use tokio::net::TcpListener;

use crate::support::*;

const PLAN: &str = "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\ntimeout = \"200ms\"\n";

fn check(answer: &Answer, status: u16, cause: &str, reached: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let problem = answer.problem();
    assert_eq!(problem["type"], format!("urn:polity:problem:{cause}"));
    assert_eq!(problem["status"], status);
    assert!(
        problem["title"]
            .as_str()
            .is_some_and(|title| !title.is_empty())
    );
    let reason = format!("{cause}; reached={reached}");
    assert_eq!(answer.field("x-polity-reason"), Some(reason.as_str()));
}

#[tokio::test]
async fn a_name_without_an_address_is_told_from_an_instance_that_is_not_ready() {
    let system = System::start(PLAN).await;
    let detail = async || {
        let answer = system.get("/orders").await;
        check(&answer, 503, "no-instance", "no");
        answer.problem()["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(detail().await, "no instance of `orders` is ready");
    system.put("orders", "orders-1", "nowhere.invalid", 80);
    until(|| system.handle.instance_stats(&"orders-1".into()).is_some()).await;
    assert_eq!(
        detail().await,
        "the name of the host of `orders` does not resolve to an address"
    );
}

#[tokio::test]
async fn each_cause_has_its_status_and_type() {
    let system = System::start(PLAN).await;
    let mut client = system.client().await;
    let answer = client.get("/nowhere").await;
    check(&answer, 404, "no-route", "no");
    assert_eq!(
        answer.field("x-request-id"),
        answer.problem()["request_id"].as_str()
    );

    let answer = client.get("/orders").await;
    check(&answer, 503, "no-instance", "no");
    assert_eq!(answer.field("retry-after"), Some("1"));

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    system.put("orders", "orders-1", "127.0.0.1", port);
    until(|| system.handle.instance_stats(&"orders-1".into()).is_some()).await;
    check(&client.get("/orders").await, 502, "connect-failed", "no");
    assert_eq!(system.leave("orders", "orders-1").await, 0);

    let _slow = system.origin("orders", "orders-2").await;
    check(&client.get("/orders/slow").await, 504, "deadline", "maybe");

    let malformed = system.client().await.ask("GET / HTTP/1.1\r\n\r\n").await;
    check(&malformed, 400, "malformed-request", "no");
    let large = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    check(
        &system.client().await.ask(&large).await,
        431,
        "head-too-large",
        "no",
    );
}

#[tokio::test]
async fn a_broken_answer_is_told_from_one_that_never_came() {
    let system = System::start(PLAN).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    system.put(
        "orders",
        "orders-1",
        "127.0.0.1",
        listener.local_addr().unwrap().port(),
    );
    until(|| system.handle.instance_stats(&"orders-1".into()).is_some()).await;
    let post = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\na";
    let mut client = system.client().await;
    client.send(post).await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await;
    drop(upstream);
    check(
        &client.answer().await.unwrap(),
        502,
        "answer-broke",
        "maybe",
    );

    client.send(post).await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n")
        .await;
    check(
        &client.answer().await.unwrap(),
        502,
        "malformed-answer",
        "yes",
    );
    let summary = || system.handle.instance_stats(&"orders-1".into()).unwrap();
    until(|| (summary().requests, summary().errors) == (2, 2)).await;
}

#[tokio::test]
async fn a_service_cannot_say_in_polity_s_name_that_it_was_not_reached() {
    let system = System::start(PLAN).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    system.put("orders", "orders-1", "127.0.0.1", port);
    until(|| system.handle.instance_stats(&"orders-1".into()).is_some()).await;
    let mut client = system.client().await;
    client
        .send("POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await;
    upstream
        .send("HTTP/1.1 503 Later\r\nX-Polity-Reason: no-instance; reached=no\r\nx-own: 1\r\ncontent-length: 0\r\n\r\n")
        .await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.field("x-own"), Some("1"));
    assert_eq!(answer.field("x-polity-reason"), None, "{answer:?}");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it_and_the_key() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!("[gateway]\nlisten = \"{address}\"\n{PLAN}");
    let config = Config {
        data_plane: DataPlane::start(1).unwrap(),
        access_log: None,
        session_key: polity_gateway::SessionKey::new([7; 32]),
        folders: polity_gateway::Folders {
            root: "/nowhere".into(),
            state: "/nowhere".into(),
        },
    };
    let catalog = Published::new(Catalog::default());
    let error = Gateway::start(config, plan(&text), catalog)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(
        error.contains("gateway") && error.contains("`listen`"),
        "{error}"
    );
}

#[tokio::test]
async fn the_drain_lets_requests_end_and_refuses_new_ones() {
    let system = System::start(&PLAN.replace("200ms", "20s")).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    client
        .send("GET /orders/slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let in_flight = || system.handle.stats(&name("orders")).unwrap().in_flight;
    until(|| in_flight() == 1).await;
    let address = system.handle.public_address();
    system.public.begin();
    system.calls.begin();
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("connection"), Some("close"));
    tokio::time::timeout(Duration::from_secs(10), system.running)
        .await
        .unwrap()
        .unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
