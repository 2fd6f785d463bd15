//! Tests of the client against a server that answers what the test says, to the byte.

use std::io::Write;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use polity_console::view::{LogRecord, OperationLine};
use serde_json::Value;

use super::*;

/// Answers one request, in parts that a test may hold back.
fn serve(answer: impl FnOnce(&mut dyn Write) + Send + 'static) -> (Client, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            reader.read_line(&mut head).expect("a line of the head");
        }
        let mut stream = stream;
        answer(&mut stream);
        head
    });
    let token = Token::random().expect("random");
    (Client::new(address, &token), server)
}

fn whole(status: &str, body: &str) -> (Client, JoinHandle<String>) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
    serve(move |stream| stream.write_all(text.as_bytes()).expect("sent"))
}

#[test]
fn questions_bring_the_token() {
    let (client, server) = whole("200 OK", "[1,2]");
    assert_eq!(
        client
            .get::<Vec<u32>>("/api/v1/services")
            .expect("answered"),
        [1, 2]
    );
    let head = server.join().expect("served");
    assert!(
        head.starts_with("GET /api/v1/services HTTP/1.1\r\n"),
        "{head}"
    );
    let expected = format!("authorization: {}\r\n", client.authorization);
    assert!(head.contains(&expected), "{head}");
}

#[test]
fn a_refusal_says_what_the_system_said() {
    let problem = r#"{"type":"t","title":"t","status":404,"detail":"there is no service `x`"}"#;
    let (client, _server) = whole("404 Not Found", problem);
    let error = client.get::<Value>("/").expect_err("refused");
    assert_eq!(error.to_string(), "there is no service `x`");

    let (client, _server) = whole("401 Unauthorized", "");
    let error = client.get::<Value>("/").expect_err("refused").to_string();
    assert!(
        error.ends_with("does not accept the token of this data folder"),
        "{error}"
    );

    let (client, _server) = whole("500 Internal Server Error", "<html>");
    let error = client.get::<Value>("/").expect_err("refused").to_string();
    assert!(
        error.ends_with("answered 500 Internal Server Error"),
        "{error}"
    );
}

#[test]
fn records_are_seen_as_they_come() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let (client, _server) = serve(move |stream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        for text in ["{\"missed\":1}\n", "{\"missed\":2}\n"] {
            write!(stream, "{:x}\r\n{text}\r\n", text.len()).expect("sent");
            // The next comes only when the test has seen this one.
            gone.recv().expect("the test goes on");
        }
        stream.write_all(b"0\r\n\r\n").expect("sent");
    });
    let mut records = client.follow::<LogRecord>("/").expect("accepted");
    for expected in [1, 2] {
        let record = records.next().expect("a record").expect("sound");
        assert_eq!(record, LogRecord::Missed { missed: expected });
        go.send(()).expect("the server waits");
    }
    assert!(records.next().is_none());
}

#[test]
fn a_stream_that_breaks_is_not_taken_for_its_end() {
    let (client, _server) = serve(|stream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{\"mis";
        stream.write_all(head.as_bytes()).expect("sent");
    });
    let mut records = client.follow::<OperationLine>("/").expect("accepted");
    assert!(records.next().expect("something").is_err());
}

#[test]
fn nothing_that_listens_is_said_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let client = Client::new(address, &Token::random().expect("random"));
    let error = client
        .get::<Value>("/")
        .expect_err("nobody there")
        .to_string();
    let expected = format!("could not reach the running system at http://{address}: ");
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn names_stay_one_segment_of_the_path() {
    assert_eq!(encoded("orders-2"), "orders-2");
    assert_eq!(encoded("../x?y#é"), "..%2Fx%3Fy%23%C3%A9");
}
