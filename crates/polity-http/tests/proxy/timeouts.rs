//! The waits of the data plane, each with the answer that tells of it.

use std::time::Duration;

use polity_http::{Fault, Protocol, Timeouts};
use tokio::io::AsyncWriteExt;

use crate::support::*;

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_head_that_does_not_end_is_a_408() {
    let timeouts = Timeouts {
        head: SHORT,
        ..long()
    };
    let proxy = proxy_with(&[], Protocol::Http, timeouts, PATIENCE).await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nhost:").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_without_a_word() {
    let timeouts = Timeouts {
        head: SHORT,
        ..long()
    };
    let proxy = proxy_with(&[], Protocol::Http, timeouts, PATIENCE).await;
    assert_eq!(proxy.client().await.rest().await, "");
}

#[tokio::test]
async fn a_kept_connection_without_another_request_is_closed() {
    let timeouts = Timeouts {
        keep_alive: SHORT,
        ..long()
    };
    let origin = Origin::new().await;
    let proxy = proxy_with(&[origin.address], Protocol::Http, timeouts, PATIENCE).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    assert!(client.rest().await.ends_with("ok"));
}

#[tokio::test]
async fn a_wait_that_is_changed_holds_for_connections_that_are_there() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    assert!(client.until("ok").await.starts_with("HTTP/1.1 200 "));
    let timeouts = Timeouts {
        head: SHORT,
        ..long()
    };
    proxy.server.set_timeouts(timeouts).await;
    client.send("GET / HTTP/1.1\r\nhost:").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_a_408() {
    let timeouts = Timeouts {
        body: SHORT,
        ..long()
    };
    let origin = Origin::new().await;
    let proxy = proxy_with(&[origin.address], Protocol::Http, timeouts, PATIENCE).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf")
        .await;
    let mut upstream = origin.accept().await;
    upstream.until("half").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::ClientTooSlow));
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_a_504_and_not_tried_again() {
    let origin = Origin::new().await;
    let origins = [origin.address, origin.address];
    let proxy = proxy_with(&origins, Protocol::Http, long(), SHORT).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert_eq!(upstream.rest().await, "", "the attempt is given up");
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::Deadline));
}

#[tokio::test]
async fn an_answer_that_has_begun_may_take_as_long_as_it_likes() {
    let origin = Origin::new().await;
    let proxy = proxy_with(&[origin.address], Protocol::Http, long(), SHORT).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    client.until("1\r\na\r\n").await;
    // Not a synchroniser: the time itself is what is tested.
    tokio::time::sleep(SHORT * 3).await;
    upstream.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn an_answer_that_stands_still_for_too_long_is_cut() {
    let timeouts = Timeouts {
        stream_idle: SHORT,
        ..long()
    };
    let origin = Origin::new().await;
    let proxy = proxy_with(&[origin.address], Protocol::Http, timeouts, PATIENCE).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    assert!(client.rest().await.ends_with("1\r\na\r\n"));
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::Idle));
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_reset() {
    let timeouts = Timeouts {
        send: SHORT,
        ..long()
    };
    let origin = Origin::new().await;
    let proxy = proxy_with(&[origin.address], Protocol::Http, timeouts, PATIENCE).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    const SIZE: usize = 64 << 20;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
    upstream.send(head).await;
    // Until it is cut off.
    let _ = upstream.stream.write_all(&vec![b'x'; SIZE]).await;
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::ClientTooSlow));
    let (got, reset) = client.rest_or_reset().await;
    assert!(reset && got.len() < SIZE, "{}", got.len());
}

#[tokio::test]
async fn an_idle_upstream_connection_is_closed_before_the_origin_would() {
    let timeouts = Timeouts {
        upstream_idle: SHORT,
        ..long()
    };
    let origin = Origin::new().await;
    let proxy = proxy_with(&[origin.address], Protocol::Http, timeouts, PATIENCE).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    client.until("ok").await;
    assert_eq!(upstream.rest().await, "");
}
