//! Checks against real sockets.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use super::*;

/// Answers one connection with `answer` and closes it; says what it was asked.
fn serve(answer: Vec<u8>) -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut asked = Vec::new();
        let mut buffer = [0; 1024];
        while !asked.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(count @ 1..) => asked.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        // The prober may have read enough before all is written.
        let _ = stream.write_all(&answer);
        String::from_utf8_lossy(&asked).into_owned()
    });
    (address, serving)
}

fn probe(address: SocketAddr, path: Option<&str>) -> Probe {
    Probe {
        address,
        asks: path.map_or(HealthAsks::Connect, |path| HealthAsks::Get(path.to_owned())),
        timeout: Duration::from_secs(10),
    }
}

async fn check(answer: &[u8], expected: Result<(), &str>) {
    let (address, serving) = serve(answer.to_vec());
    let probe = probe(address, Some("/health"));
    let got = NetworkProber.probe(&probe).await;
    let got = got.map_err(|error| error.to_string());
    assert_eq!(got, expected.map_err(str::to_owned));
    let asked = serving.join().expect("it answered");
    assert!(
        asked.starts_with("GET /health HTTP/1.1\r\nhost: 127.0.0.1:"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_2xx_is_ready_and_nothing_else_is() {
    check(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Ok(())).await;
    check(b"HTTP/1.0 204 No Content\r\n\r\n", Ok(())).await;
    let early = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    check(early, Ok(())).await;
    let unready = "GET /health answered 503, expected 2xx";
    check(b"HTTP/1.1 503 Busy\r\n\r\n", Err(unready)).await;
    let moved = "GET /health answered 302, expected 2xx";
    check(b"HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n", Err(moved)).await;
}

#[tokio::test]
async fn what_is_not_http_is_told() {
    let odd = "GET /health was not answered in HTTP: \"hello\" is no status line";
    check(b"hello\r\n", Err(odd)).await;
    let nothing =
        "GET /health was not answered in HTTP: the connection was closed before an answer";
    check(b"", Err(nothing)).await;
}

#[tokio::test]
async fn an_endless_answer_is_read_within_bounds() {
    let bound = "GET /health was not answered in HTTP: no status within 65536 bytes";
    check(&vec![b'x'; 200 * 1024], Err(bound)).await;
    let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    long.resize(500 * 1024, b'x');
    check(&long, Ok(())).await;
}

#[tokio::test]
async fn a_connection_is_enough_without_a_path() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    assert_eq!(NetworkProber.probe(&probe(address, None)).await, Ok(()));
    drop(listener);
    let refused = NetworkProber.probe(&probe(address, None)).await;
    let refused = refused.expect_err("nobody listens").to_string();
    assert_eq!(
        refused,
        format!("could not connect to {address}: connection refused")
    );
}

#[tokio::test]
async fn silence_is_not_waited_for_beyond_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let probe = Probe {
        timeout: Duration::from_millis(20),
        ..probe(address, Some("/"))
    };
    let silent = NetworkProber.probe(&probe).await;
    assert_eq!(
        silent.expect_err("nobody answers").to_string(),
        format!("no answer from {address} within 20ms")
    );
}

#[test]
fn what_the_system_has_run_out_of_is_not_laid_to_the_instance() {
    let check = |errno: Errno, was_asked: bool| {
        let error = not_connected(([127, 0, 0, 1], 1).into(), &errno.into());
        let not_asked = matches!(error, ProbeError::NotAsked { .. });
        assert_eq!(not_asked, !was_asked, "{error}");
    };
    check(Errno::MFILE, false);
    check(Errno::NFILE, false);
    check(Errno::ADDRNOTAVAIL, false);
    check(Errno::CONNREFUSED, true);
    check(Errno::TIMEDOUT, true);
}
