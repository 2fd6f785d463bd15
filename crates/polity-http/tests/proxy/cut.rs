//! Exchanges that do not come to an end of their own: each is finished nevertheless, once, with what
//! has passed until then.

use std::sync::atomic::Ordering;
use std::time::Duration;

use polity_http::{Fault, Outcome, Protocol};

use crate::support::*;

const BOUND: Duration = Duration::from_millis(50);

/// Cuts the only exchange off; how it was finished.
async fn cut_off(proxy: &Proxy) -> Outcome {
    assert_eq!(proxy.server.drain(BOUND).await, 1);
    // By now, not some time later.
    let outcomes = proxy.outcomes();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_eq!(proxy.policy.live.load(Ordering::SeqCst), 0);
    outcomes[0].clone()
}

fn told(outcome: &Outcome) -> (Option<u16>, u64, u64) {
    assert_eq!(outcome.fault, Some(Fault::CutOff));
    (outcome.status, outcome.request_bytes, outcome.answer_bytes)
}

#[tokio::test]
async fn a_request_without_an_answer() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf")
        .await;
    let mut upstream = origin.accept().await;
    upstream.until("half").await;
    assert_eq!(told(&cut_off(&proxy).await), (None, 4, 0));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_answer_that_goes_on() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    client.until("hello\r\n").await;
    assert_eq!(told(&cut_off(&proxy).await), (Some(200), 0, 5));
}

#[tokio::test]
async fn an_upgraded_connection() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n")
        .await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\nhello")
        .await;
    client.until("hello").await;
    client.send("hi").await;
    upstream.until("hi").await;
    assert_eq!(told(&cut_off(&proxy).await), (Some(101), 2, 5));
}

#[tokio::test]
async fn a_connection_that_is_not_http() {
    let origin = Origin::new().await;
    let proxy = proxy_with(&[origin.address], Protocol::Tcp, long(), PATIENCE).await;
    let mut client = proxy.client().await;
    client.send("hi").await;
    let mut upstream = origin.accept().await;
    upstream.until("hi").await;
    upstream.send("hello").await;
    client.until("hello").await;
    assert_eq!(told(&cut_off(&proxy).await), (None, 2, 5));
}

#[tokio::test]
async fn a_request_whose_task_panics() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send(format!(
            "HTTP/1.1 {PANIC_STATUS} No\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
    assert_eq!(client.rest().await, "");
    let outcomes = proxy.ended(1).await;
    assert_eq!(outcomes[0].fault, Some(Fault::Panicked));
    assert_eq!(proxy.server.drain(PATIENCE).await, 0);
    assert_eq!(proxy.outcomes().len(), 1);
    assert_eq!(proxy.policy.live.load(Ordering::SeqCst), 0);
}
