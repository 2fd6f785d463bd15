//! Bodies larger than their route takes: refused before the service hears of them, or cut.

use tokio::net::TcpListener;

use crate::support::*;

const PLAN: &str = "[service.orders]\nrun = \"orders\"\n[[service.orders.routes]]\npath = \"/orders\"\nbody_size = \"10B\"\n\
     [[service.orders.routes]]\npath = \"/orders/all\"\nbody_size = false\n\
     [[service.orders.routes]]\npath = \"/orders/long\"\nbody_size = \"1MB\"\n";

/// A system whose only instance is played by the test.
async fn played() -> (System, TcpListener) {
    let system = System::start(PLAN).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    system.put("orders", "orders-1", "127.0.0.1", port);
    until(|| system.handle.instance_stats(&"orders-1".into()).is_some()).await;
    (system, listener)
}

#[track_caller]
fn check(answer: &Answer, reached: &str) {
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(
        answer.problem()["type"],
        "urn:polity:problem:body-too-large"
    );
    let reason = format!("body-too-large; reached={reached}");
    assert_eq!(answer.field("x-polity-reason"), Some(reason.as_str()));
}

fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
}

#[tokio::test]
async fn what_is_announced_as_too_large_never_reaches_the_service() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    let answer = client.ask(&(post("/orders", 10) + "0123456789")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // All of it is there, so the connection goes on.
    let answer = client.ask(&(post("/orders", 11) + "0123456789a")).await;
    check(&answer, "no");
    assert_eq!(answer.field("connection"), None);
    assert_eq!(
        client
            .ask(&(post("/orders/all", 11) + "0123456789a"))
            .await
            .status,
        200
    );

    // Nothing of it is there, nor will it be read.
    let answer = client.ask(&post("/orders", 1 << 40)).await;
    check(&answer, "no");
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.head().await.is_none());
    let requests = system
        .handle
        .instance_stats(&"orders-1".into())
        .unwrap()
        .requests;
    assert_eq!(requests, 2);
    let lines = system.lines(4).await;
    let refused: Vec<_> = lines.iter().filter(|line| line["status"] == 413).collect();
    assert_eq!(refused.len(), 2, "{lines:?}");
    assert!(refused.iter().all(|line| line["reason"] == "body-too-large"
        && line["service"] == "orders"
        && line["attempts"] == 0));
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_told_at_once() {
    let (system, _listener) = played().await;
    let mut client = system.client().await;
    let head =
        "POST /orders HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n";
    check(&client.ask(head).await, "no");
}

#[tokio::test]
async fn chunks_are_cut_where_they_cross_the_limit() {
    let (system, listener) = played().await;
    let mut client = system.client().await;
    let head = "POST /orders HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    client.send(head).await;
    client.send("6\r\n012345\r\n").await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await.expect("a head");
    assert_eq!(upstream.exactly(11).await.unwrap(), b"6\r\n012345\r\n");
    client.send("5\r\n6789a\r\n").await;
    check(&client.answer().await.unwrap(), "maybe");
    assert!(client.head().await.is_none(), "its connection is closed");
    // The service sees a request that broke off, and the connection is not used again.
    assert!(upstream.exactly(1).await.is_none());
    let line = &system.lines(1).await[0];
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&413.into(), &"body-too-large".into())
    );
}

#[tokio::test]
async fn no_more_than_the_limit_of_a_long_body_reaches_the_service() {
    const LIMIT: usize = 1_000_000;
    const CHUNK: usize = 64_000;
    let (system, listener) = played().await;
    let mut client = system.client().await;
    client
        .send("POST /orders/long HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await.expect("a head");
    let service = tokio::spawn(async move {
        let mut received = 0;
        while let Some(bytes) = upstream.exactly(64).await {
            received += bytes.iter().filter(|byte| **byte == b'x').count();
        }
        received
    });
    let chunk = format!("{CHUNK:x}\r\n{}\r\n", "x".repeat(CHUNK));
    for _ in 0..=LIMIT / CHUNK {
        client.send(&chunk).await;
    }
    check(&client.answer().await.unwrap(), "maybe");
    let received = service.await.unwrap();
    assert!((1..=LIMIT).contains(&received), "{received}");
}

#[tokio::test]
async fn chunks_up_to_the_limit_pass() {
    let (system, listener) = played().await;
    let mut client = system.client().await;
    let head = "POST /orders HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    client
        .send(&format!("{head}a\r\n0123456789\r\n0\r\n\r\n"))
        .await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await.expect("a head");
    assert_eq!(
        upstream.exactly(20).await.unwrap(),
        b"a\r\n0123456789\r\n0\r\n\r\n"
    );
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn an_answer_that_has_begun_is_not_followed_by_another() {
    let (system, listener) = played().await;
    let mut client = system.client().await;
    client
        .send(
            "POST /orders HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n6\r\n012345\r\n",
        )
        .await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await.expect("a head");
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    let head = client.head().await.expect("the answer's head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    client.exactly(6).await.expect("its first chunk");
    client.send("5\r\n6789a\r\n").await;
    assert!(
        client.exactly(1).await.is_none(),
        "cut short, and nothing after it"
    );
    let line = &system.lines(1).await[0];
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&200.into(), &"body-too-large".into())
    );
    let summary = system.handle.instance_stats(&"orders-1".into()).unwrap();
    assert_eq!(
        (summary.requests, summary.errors),
        (1, 0),
        "no fault of its"
    );
}

#[tokio::test]
async fn what_follows_an_early_answer_is_cut_there_as_well() {
    let (system, listener) = played().await;
    let mut client = system.client().await;
    client
        .send(
            "POST /orders HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n6\r\n012345\r\n",
        )
        .await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await.expect("a head");
    assert_eq!(upstream.exactly(11).await.unwrap(), b"6\r\n012345\r\n");
    upstream
        .send("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 202);
    client.send("5\r\n6789a\r\n").await;
    assert!(upstream.exactly(1).await.is_none(), "it breaks off");
    assert!(client.head().await.is_none(), "no second answer");
}

#[tokio::test]
async fn a_new_limit_holds_from_the_next_request_on() {
    let plan_of =
        |limit: &str| format!("{limit}[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\n");
    let system = System::start(&plan_of("")).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    let request = post("/orders", 2) + "ab";
    assert_eq!(client.ask(&request).await.status, 200);
    let limited = plan_of("[gateway.limits]\nbody_size = \"1B\"\n");
    system.handle.apply(plan(&limited)).await.unwrap();
    check(&client.ask(&request).await, "no");
    system.handle.apply(plan(&plan_of(""))).await.unwrap();
    assert_eq!(client.ask(&request).await.status, 200);
}
