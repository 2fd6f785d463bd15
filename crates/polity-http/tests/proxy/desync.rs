//! What a malformed or stalled message may not do: be read in two ways, or be waited for without end.

use std::time::Duration;

use polity_http::{Protocol, Timeouts};
use tokio::io::AsyncWriteExt;

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

#[tokio::test]
async fn an_origin_that_takes_no_more_of_a_request_is_not_waited_for_without_end() {
    let timeouts = Timeouts {
        body: Duration::from_millis(200),
        ..long()
    };
    let origin = Origin::new().await;
    let proxy = proxy_with(&[origin.address], Protocol::Http, timeouts, timeouts.body).await;
    // One of these ends within the proxy's own buffers when those of the system are full, however
    // large the system makes them.
    let mut clients = Vec::new();
    for size in (1..=100).map(|step| step * 48 * 1024) {
        let mut client = proxy.client().await;
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n");
        client.send(head).await;
        clients.push(tokio::spawn(async move {
            // What is cut off is for the answer to tell.
            let _ = client.stream.write_all(&vec![b'x'; size]).await;
            client.head().await
        }));
    }
    for client in clients {
        let answer = client.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    }
}

#[tokio::test]
async fn an_interim_answer_written_in_part_is_finished_before_the_error_that_follows() {
    const STEP: usize = 300 * 1024;
    let interim = format!("HTTP/1.1 103 Early\r\nlink: {}\r\n\r\n", "x".repeat(30_000));
    // The client reads nothing, so that one of these first answers leaves room for only a part of
    // the interim ones, however much the system's buffers hold.
    for size in (1..=40).map(|step| step * STEP) {
        let origin = Origin::new().await;
        let proxy = proxy(&[origin.address]).await;
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = Peer::new(socket.connect(proxy.address).await.unwrap());
        client.send([GET, GET].concat()).await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        let first = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
        upstream.send(first).await;
        let body = vec![b'b'; size];
        let whole = async {
            upstream.stream.write_all(&body).await.unwrap();
            upstream.head().await
        };
        if tokio::time::timeout(Duration::from_millis(500), whole)
            .await
            .is_err()
        {
            // No later size fits either.
            return;
        }
        upstream
            .send(interim.repeat(10) + "no answer\r\n\r\n")
            .await;
        until(|| !proxy.policy.faults.lock().unwrap().is_empty()).await;
        client.head().await;
        client.exactly(size).await;
        let mut head = client.head().await;
        while head.starts_with("HTTP/1.1 103 ") {
            assert_eq!(head.matches("HTTP/1.1 ").count(), 1, "after {size} bytes");
            head = client.head().await;
        }
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    }
}
