//! How exchanges end when the origin fails: never with an answer that looks whole and is not.

use polity_http::Fault;

use crate::support::*;

async fn broken_off(answer: &str) -> (String, bool, Vec<Fault>) {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(answer).await;
    drop(upstream);
    let (got, reset) = client.rest_or_reset().await;
    proxy.ended(1).await;
    let faults = proxy
        .outcomes()
        .into_iter()
        .filter_map(|outcome| outcome.fault);
    (String::from_utf8(got).unwrap(), reset, faults.collect())
}

#[tokio::test]
async fn a_chunked_answer_cut_short_is_not_ended() {
    let (got, _, faults) =
        broken_off("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    assert!(got.ends_with("5\r\nhello\r\n"), "{got}");
    assert_eq!(faults, [Fault::Broke]);
}

#[tokio::test]
async fn a_large_answer_cut_short_is_shorter_than_it_said() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n{}",
        "x".repeat(100_000)
    );
    let (got, _, faults) = broken_off(&answer).await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n"));
    assert!(got.len() < 110_000);
    assert_eq!(faults, [Fault::Broke]);
}

#[tokio::test]
async fn an_answer_cut_short_to_an_http_1_0_client_is_a_reset() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    client.until("hello").await;
    drop(upstream);
    assert!(
        client.rest_or_reset().await.1,
        "an orderly close would mean that it is whole"
    );
}

#[tokio::test]
async fn a_small_answer_cut_short_is_had_elsewhere() {
    let (first, second) = (Origin::new().await, Origin::new().await);
    let proxy = proxy(&[first.address, second.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = first.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it")
        .await;
    drop(upstream);
    let mut upstream = second.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    let answer = client.until("ok").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_small_answer_of_a_server_that_dawdles_is_not_held_back_for_ever() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst")
        .await;
    client.until("first").await;
    upstream.send("after").await;
    client.until("after").await;
}

#[tokio::test]
async fn an_answer_with_more_than_it_says_is_cut_and_its_connection_closed() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send(format!(
            "{OK}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
        ))
        .await;
    client.until("ok").await;
    assert_eq!(
        upstream.rest().await,
        "",
        "what follows would answer somebody else's request"
    );
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    assert!(client.until("ok").await.ends_with("2\r\n\r\nok"));
}

#[tokio::test]
async fn no_origin_left_is_an_answer_and_the_connection_goes_on() {
    let proxy = proxy(&[]).await;
    let mut client = proxy.client().await;
    for _ in 0..2 {
        client
            .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody")
            .await;
        let answer = client.until("no origin left").await;
        assert!(
            answer.starts_with("HTTP/1.1 503 Service Unavailable\r\ndate: "),
            "{answer}"
        );
        assert!(!answer.contains("connection:"), "{answer}");
    }
    client
        .send("HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert!(client.rest().await.ends_with("connection: close\r\n\r\n"));
}
