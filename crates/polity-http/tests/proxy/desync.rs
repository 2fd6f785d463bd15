//! What a malformed or stalled message may not do: be read in two ways, or be waited for without end.

use crate::support::*;

#[tokio::test]
async fn no_request_is_found_within_a_body_that_was_refused() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n40\r\n")
        .await;
    let mut upstream = origin.accept().await;
    upstream.until("host: a\r\n\r\n").await;
    // A chunk of 64 bytes, and a last chunk whose line does not end as one. Read again from its
    // start in the state that the error left, the chunk would be trailers and then a request.
    let within = "a: b\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let chunk = format!("{within:<64}\r\n0\r\n\n");
    client.send(chunk).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}
