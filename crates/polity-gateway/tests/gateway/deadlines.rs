//! What an instance is told of the time it has: less with every attempt, and counted from the end of the request.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::support::*;

const PLAN: &str = "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\ntimeout = \"60s\"\n";

fn told(head: &str) -> u64 {
    let value = field(head, "x-request-timeout-ms").unwrap();
    value.parse().unwrap()
}

#[tokio::test]
async fn every_attempt_is_told_what_time_is_left() {
    let system = System::start(PLAN).await;
    let first = system.played("orders", "orders-1").await;
    let mut client = system.client().await;
    client.send("GET /orders HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut instance = Client::new(first.accept().await.unwrap().0);
    let at_first = told(&instance.head().await.unwrap());
    assert!((1..=60_000).contains(&at_first), "{at_first}");
    let since = Instant::now();
    let _second = system.origin("orders", "orders-2").await;
    // What passes here must be missing there, and be as much as can be told.
    until(|| since.elapsed() >= Duration::from_millis(2)).await;
    let passed = since.elapsed().as_millis() as u64;
    drop((instance, first));
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let then = told(&answer.body);
    assert!(then + passed <= at_first, "{at_first} and then {then}");
}

#[tokio::test]
async fn the_time_that_a_body_takes_is_not_the_services() {
    let system = System::start(PLAN).await;
    let first = system.played("orders", "orders-1").await;
    let mut client = system.client().await;
    client
        .send("PUT /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbo")
        .await;
    let mut instance = Client::new(first.accept().await.unwrap().0);
    instance.head().await.unwrap();
    let _second = system.origin("orders", "orders-2").await;
    // What is waited here must not be missing there: more than a request takes, or it would not show.
    sleep(Duration::from_millis(100)).await;
    drop((instance, first));
    let whole = Instant::now();
    client.send("dy").await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let since = whole.elapsed().as_millis() as u64 + 1;
    assert!(told(&answer.body) + since >= 60_000, "{answer:?}");
}
