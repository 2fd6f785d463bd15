//! Connections of HTTP/2 to origins, which requests share: what ends one request, and what ends all.

use bytes::Bytes;
use h2::Reason;
use polity_http::Fault;

use crate::http2_origin::Http2Origin;
use crate::support::*;

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";

#[tokio::test]
async fn requests_share_a_connection_and_are_answered_in_any_order() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    first.send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut session = origin.accept().await;
    let mut one = session.request().await;
    second.send("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut two = session.request().await;
    assert_eq!((one.head.uri().path(), two.head.uri().path()), ("/1", "/2"));
    two.answer_whole("two");
    assert!(second.until("0\r\n\r\n").await.contains("two"));
    one.answer_whole("one");
    assert!(first.until("0\r\n\r\n").await.contains("one"));
    assert!(origin.is_left_alone().await);
}

#[tokio::test]
async fn many_that_begin_at_once_wait_for_one_connection() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = proxy.client().await;
        client.send(GET).await;
        clients.push(client);
    }
    let mut session = origin.accept().await;
    for _ in 0..20 {
        session.request().await.answer_whole("ok");
    }
    for client in &mut clients {
        client.until("0\r\n\r\n").await;
    }
    assert!(origin.is_left_alone().await);
}

#[tokio::test]
async fn there_is_another_connection_where_an_origin_takes_no_more_on_one() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    first.send(GET).await;
    let one_at_a_time = |settings: &mut h2::server::Builder| {
        settings.max_concurrent_streams(1);
    };
    let mut session = origin.accept_with(one_at_a_time).await;
    let mut held = session.request().await;
    second.send(GET).await;
    let mut other = origin.accept_with(one_at_a_time).await;
    other.request().await.answer_whole("ok");
    second.until("0\r\n\r\n").await;
    held.answer_whole("ok");
    first.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn what_an_origin_refuses_unseen_is_sent_again_whatever_it_is() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address, origin.address]).await;
    let mut client = proxy.client().await;
    client.send(POST).await;
    let mut session = origin.accept().await;
    session
        .request()
        .await
        .respond
        .send_reset(Reason::REFUSED_STREAM);
    let mut again = session.request().await;
    assert_eq!(again.body().await.0, "hi");
    again.answer_whole("ok");
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(*proxy.policy.faults.lock().unwrap(), [Fault::Refused]);
}

#[tokio::test]
async fn what_an_origin_breaks_off_is_not_sent_again_unless_it_may_be() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address, origin.address]).await;
    let mut client = proxy.client().await;
    client.send(POST).await;
    let mut session = origin.accept().await;
    session
        .request()
        .await
        .respond
        .send_reset(Reason::INTERNAL_ERROR);
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
    assert_eq!(*proxy.policy.faults.lock().unwrap(), [Fault::Broke]);
    // The connection is none the worse for it.
    let mut client = proxy.client().await;
    client.send(GET).await;
    session
        .request()
        .await
        .respond
        .send_reset(Reason::INTERNAL_ERROR);
    session.request().await.answer_whole("ok");
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_answer_that_is_broken_off_is_not_taken_for_the_whole() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    let mut answer = call.answer(200, &[], false);
    answer.send_data("half".into(), false).unwrap();
    client.until("half\r\n").await;
    answer.send_reset(Reason::INTERNAL_ERROR);
    assert_eq!(client.rest().await, "");
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::Broke));
}

#[tokio::test]
async fn an_origin_that_goes_away_is_connected_to_anew_and_answers_what_it_has() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    first.send(GET).await;
    let mut session = origin.accept().await;
    let mut held = session.request().await;
    session.go_away();
    // Requests until one comes elsewhere: when it is heard is not for us to say.
    let mut other = loop {
        second.send(POST).await;
        let elsewhere = tokio::select! {
            other = origin.accept() => Some(other),
            mut call = session.request() => {
                call.answer_whole("ok");
                None
            }
        };
        match elsewhere {
            Some(other) => break other,
            None => drop(second.until("0\r\n\r\n").await),
        }
    };
    other.request().await.answer_whole("ok");
    second.until("0\r\n\r\n").await;
    held.answer_whole("held");
    assert!(first.until("0\r\n\r\n").await.contains("held"));
    assert_eq!(*proxy.policy.faults.lock().unwrap(), []);
}

#[tokio::test]
async fn a_connection_that_breaks_fails_its_requests_and_the_next_have_another() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut session = origin.accept().await;
    session.request().await.answer_whole("ok");
    client.until("0\r\n\r\n").await;
    client.send(POST).await;
    let _held = session.request().await;
    session.break_off();
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
    assert_eq!(*proxy.policy.faults.lock().unwrap(), [Fault::Stale]);
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut session = origin.accept().await;
    session.request().await.answer_whole("ok");
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_client_that_goes_gives_up_its_own_stream_and_no_other() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let (mut leaves, mut stays) = (proxy.client().await, proxy.client().await);
    leaves.send(GET).await;
    let mut session = origin.accept().await;
    let mut left = session.request().await;
    stays.send(GET).await;
    let mut other = session.request().await;
    leaves.reset();
    assert_eq!(left.given_up().await, Reason::CANCEL);
    other.answer_whole("ok");
    stays.until("0\r\n\r\n").await;
    // One that stays has not been given up, although its origin was slow to say that this is all.
    let mut third = {
        stays.send(GET).await;
        session.request().await
    };
    let mut answer = third.answer(200, &[("content-length", "2")], false);
    answer.send_data("ok".into(), false).unwrap();
    assert!(stays.answer_or_end().await);
    answer.send_data(Bytes::new(), true).unwrap();
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_up_no_other() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut slow = Vec::new();
    let mut session = None;
    for _ in 0..8 {
        let mut client = proxy.client().await;
        client.send(GET).await;
        if session.is_none() {
            session = Some(origin.accept().await);
        }
        let mut call = session.as_mut().unwrap().request().await;
        let mut answer = call.answer(200, &[], false);
        // More than all between here and there will hold.
        answer
            .send_data(Bytes::from(vec![0; 16 << 20]), true)
            .unwrap();
        slow.push((client, call));
    }
    let mut session = session.unwrap();
    let mut client = proxy.client().await;
    client.send(GET).await;
    session.request().await.answer_whole(&"a".repeat(500_000));
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn an_origin_that_speaks_something_else_is_told_from_one_that_is_gone() {
    let origin = Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(POST).await;
    let mut peer = origin.accept().await;
    peer.until("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
    let mut client = proxy.client().await;
    client.send(POST).await;
    drop(origin.accept().await);
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
    let faults = proxy.policy.faults.lock().unwrap().clone();
    assert_eq!(faults[0], Fault::NotHttp2);
    assert!(matches!(faults[1], Fault::Connect(_)), "{faults:?}");
}
