//! Trailers (RFC 9110, section 6.5): both ways, for those who want them, and never in place of fields.

use crate::support::*;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n";

/// What the origin is asked for a request, and what its client gets of [`ANSWER`] up to `end`.
async fn exchanged(request: &str, end: &str) -> (String, String) {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(request).await;
    let mut upstream = origin.accept().await;
    let head = upstream.head().await;
    upstream.send(ANSWER).await;
    (head, client.until(end).await)
}

#[tokio::test]
async fn an_origin_hears_whether_trailers_are_wanted() {
    let asked = "GET / HTTP/1.1\r\nhost: a\r\nte: gzip;q=0.5, trailers\r\nconnection: te\r\n\r\n";
    let (head, answer) = exchanged(asked, "x-sum: 9\r\n\r\n").await;
    assert!(
        head.contains("\r\nconnection: te\r\nte: trailers\r\n"),
        "{head}"
    );
    assert!(answer.contains("\r\ntrailer: x-sum\r\n"), "{answer}");

    // Those that come nevertheless do no harm.
    let (head, _) = exchanged(GET, "2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n").await;
    assert!(!head.contains("te: "), "{head}");
}

#[tokio::test]
async fn http_1_0_gets_no_trailers() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(ANSWER).await;
    let answer = client.rest().await;
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn trailers_of_a_request_reach_the_origin_but_for_those_that_pass_for_fields() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 9\r\ncontent-length: 3\r\nx_forwarded_for: me\r\nauthorization: me\r\n\r\n")
        .await;
    let mut upstream = origin.accept().await;
    assert!(upstream.head().await.contains("\r\ntrailer: x-sum\r\n"));
    assert_eq!(upstream.head().await, "2\r\nhi\r\n0\r\nx-sum: 9\r\n\r\n");
}
