//! Clients that dawdle, hoard connections or send without end.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::{PATIENCE, read_until, start};

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let running = start();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(running.address).await.expect("accepted"));
        assert_eq!(running.get("/api/v1/services").await.status, 200);
    }
    // The oldest of the silent gave way.
    let mut first = silent.remove(0);
    let ended = tokio::time::timeout(PATIENCE, first.read(&mut [0; 1])).await;
    assert!(!matches!(ended.expect("closed in time"), Ok(1..)));
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let running = start();
    let mut stream = TcpStream::connect(running.address).await.expect("accepted");
    let endless = "x".repeat(200 * 1024);
    let head = format!("GET /healthz HTTP/1.1\r\nhost: a\r\nx: {endless}");
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("closed");
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
}

/// Time stands still until everybody waits, and then jumps: a bound of seconds takes none.
#[tokio::test(start_paused = true)]
async fn heads_and_bodies_that_dawdle_are_given_up() {
    let running = start();
    let mut stream = TcpStream::connect(running.address).await.expect("accepted");
    let half = b"GET /healthz HTTP/1.1\r\nhost: a\r\n";
    stream.write_all(half).await.expect("sent");
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "still waits for the head");

    let token = running.token.secret();
    let headers = format!(
        "authorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n"
    );
    let path = "/api/v1/services/orders/scale";
    let request = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{{");
    let mut stream = TcpStream::connect(running.address).await.expect("accepted");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let answer = read_until(&mut stream, "the body did not come in time").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}
