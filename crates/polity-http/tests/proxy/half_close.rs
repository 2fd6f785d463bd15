//! A side that has ended its sending still reads: it gets all it is owed, until it is gone for good.

use polity_http::Fault;

use crate::support::*;

/// Returns when the proxy's thread has taken up what reached it before.
async fn settled(proxy: &Proxy) {
    let mut other = proxy.client().await;
    other.send("no request\r\n\r\n").await;
    other.rest().await;
}

#[tokio::test]
async fn a_client_that_sends_no_more_gets_its_whole_answer() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    for request in [GET, "GET / HTTP/1.0\r\nhost: a\r\n\r\n", POST] {
        let mut client = proxy.client().await;
        client.send(request).await;
        client.finish_sending().await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        settled(&proxy).await;
        let body = "x".repeat(3_000_000);
        upstream
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2dc6c0\r\n")
            .await;
        let sending = tokio::spawn(async move {
            upstream.send(body + "\r\n0\r\n\r\n").await;
            upstream
        });
        client.head().await;
        let got = client.rest().await;
        assert_eq!(got.matches('x').count(), 3_000_000, "{request}");
        // Its connection must not serve the next round.
        drop(sending.await.unwrap());
    }
    let outcomes = proxy.ended(3).await;
    assert!(outcomes.iter().all(|outcome| outcome.fault.is_none()));
}

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";

#[tokio::test]
async fn all_requests_sent_before_the_end_are_answered() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send([GET, POST, GET, "GET /half HTT"].concat())
        .await;
    client.finish_sending().await;
    let mut upstream = origin.accept().await;
    for end in ["\r\n\r\n", "body", "\r\n\r\n"] {
        upstream.until(end).await;
        settled(&proxy).await;
        upstream.send(OK).await;
    }
    let answers = client.rest().await;
    assert_eq!(answers.matches("\r\n\r\nok").count(), 3, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 3, "{answers}");
}

#[tokio::test]
async fn a_request_that_ends_within_its_body_goes_no_further() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf")
        .await;
    let mut upstream = origin.accept().await;
    upstream.until("half").await;
    client.finish_sending().await;
    assert_eq!(upstream.rest().await, "");
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::ClientGone));
}

#[tokio::test]
async fn a_client_that_sends_no_more_and_then_breaks_takes_its_request_along() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    client.finish_sending().await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    settled(&proxy).await;
    assert!(proxy.outcomes().is_empty());
    client.reset();
    assert_eq!(upstream.rest().await, "", "the attempt is given up");
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::ClientGone));
}

#[tokio::test]
async fn a_client_that_closes_within_its_answer_takes_the_rest_along() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    client.until("1\r\na\r\n").await;
    drop(client);
    settled(&proxy).await;
    // Only what it is sent can tell a client that has closed from one that sends no more: its
    // system answers with a reset.
    upstream.send("1\r\nb\r\n").await;
    assert_eq!(upstream.rest().await, "", "the attempt is given up");
    assert_eq!(proxy.ended(1).await[0].fault, Some(Fault::ClientGone));
}

#[tokio::test]
async fn an_origin_that_sends_no_more_before_the_request_has_ended_has_answered() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf")
        .await;
    let mut upstream = origin.accept().await;
    upstream.until("half").await;
    upstream.send("HTTP/1.1 200 OK\r\n\r\nall of it").await;
    upstream.finish_sending().await;
    let answer = client.rest().await;
    assert!(answer.ends_with("9\r\nall of it\r\n0\r\n\r\n"), "{answer}");
}
