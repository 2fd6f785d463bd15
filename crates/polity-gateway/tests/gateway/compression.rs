//! Answers and files that are compressed on their way.

use std::fs;
use std::io::Read;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

const PLAN: &str = "[gateway]\nlisten = \"127.0.0.1:0\"\ncompress = true\n\
     [service.a]\nrun = \"a\"\nroute = \"/\"\n";

fn text() -> String {
    (0..400)
        .map(|line| format!("line {line} of a text that repeats itself\n"))
        .collect()
}

/// What can be made of a body by its coding.
fn decoded(coding: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut reader: Box<dyn Read> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(bytes)),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        "zstd" => Box::new(zstd::Decoder::new(bytes).unwrap()),
        other => panic!("{other}"),
    };
    reader.read_to_string(&mut text).unwrap();
    text
}

/// Answers one request after the other with this.
async fn play(listener: &TcpListener, answer: &[u8]) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    stream.write_all(answer).await.unwrap();
    stream
}

async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

impl Client {
    /// The next chunk; empty for the last.
    async fn chunk(&mut self) -> Vec<u8> {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.extend(self.exactly(1).await.expect("a chunk"));
        }
        let size = std::str::from_utf8(&size).unwrap().trim().to_owned();
        let size = usize::from_str_radix(&size, 16).unwrap();
        let mut chunk = self.exactly(size + 2).await.expect("a chunk");
        chunk.truncate(size);
        chunk
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            match self.chunk().await {
                chunk if chunk.is_empty() => return body,
                chunk => body.extend(chunk),
            }
        }
    }

    async fn ask_for(&mut self, path: &str, accepted: &str) -> String {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: a\r\naccept-encoding: {accepted}\r\n\r\n");
        self.send(&request).await;
        self.head().await.expect("an answer")
    }
}

#[tokio::test]
async fn an_answer_is_compressed_by_what_its_client_takes() {
    let system = System::start(PLAN).await;
    let instance = system.played("a", "a-1").await;
    let text = text();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\netag: \"x\"\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    let mut client = system.client().await;
    for (accepted, coding) in [("gzip", "gzip"), ("br", "br"), ("gzip, br, zstd", "zstd")] {
        let (head, _) = tokio::join!(
            client.ask_for("/", accepted),
            play(&instance, answer.as_bytes())
        );
        assert_eq!(field(&head, "content-encoding"), Some(coding));
        assert_eq!(field(&head, "vary"), Some("accept-encoding"));
        assert_eq!(field(&head, "etag"), Some("W/\"x\""));
        assert_eq!(field(&head, "content-length"), None);
        assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
        let body = client.chunks().await;
        assert!(body.len() < text.len() / 4);
        assert_eq!(decoded(coding, &body), text);
    }
    let (head, _) = tokio::join!(
        client.ask_for("/", "deflate"),
        play(&instance, answer.as_bytes())
    );
    assert_eq!(field(&head, "content-encoding"), None);
    assert_eq!(field(&head, "etag"), Some("\"x\""));
    assert_eq!(client.exactly(text.len()).await.unwrap(), text.as_bytes());
    let line = system.line(|line| line["status"] == 200).await;
    assert!(line["bytes_out"].as_u64().unwrap() < text.len() as u64);
}

#[tokio::test]
async fn head_says_what_get_would() {
    let system = System::start(PLAN).await;
    let instance = system.played("a", "a-1").await;
    let mut client = system.client().await;
    client
        .send("HEAD / HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n")
        .await;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5000\r\n\r\n";
    let (head, mut instance) = tokio::join!(client.head(), play(&instance, answer));
    let head = head.unwrap();
    assert_eq!(field(&head, "content-encoding"), Some("gzip"));
    assert_eq!(field(&head, "content-length"), None);
    // Nothing comes after it: what is next is the next answer.
    let (head, ()) = tokio::join!(client.ask_for("/", "x"), async {
        read_head(&mut instance).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        instance.write_all(answer).await.unwrap();
    });
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(client.exactly(2).await.unwrap(), b"ok");
}

#[tokio::test]
async fn what_is_streamed_arrives_as_it_comes() {
    let system = System::start(PLAN).await;
    let instance = system.played("a", "a-1").await;
    for coding in ["gzip", "br", "zstd"] {
        let mut client = system.client().await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\none \r\n";
        let (answer, mut stream) = tokio::join!(client.ask_for("/", coding), play(&instance, head));
        assert_eq!(field(&answer, "content-encoding"), Some(coding));
        let mut body = client.chunk().await;
        assert!(
            !body.is_empty(),
            "the first word is there before the second is said"
        );
        stream.write_all(b"4\r\ntwo \r\n").await.unwrap();
        body.extend(client.chunk().await);
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        body.extend(client.chunks().await);
        assert_eq!(decoded(coding, &body), "one two ");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_is_broken_off() {
    let system = System::start(PLAN).await;
    let instance = system.played("a", "a-1").await;
    let mut client = system.client().await;
    let begun = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n4\r\none \r\n";
    let (_, stream) = tokio::join!(client.ask_for("/", "gzip"), play(&instance, begun));
    client.chunk().await;
    drop(stream);
    assert!(client.exactly(10_000).await.is_none(), "it has no end");
    let line = system.line(|line| line["status"] == 200).await;
    assert_eq!(line["reason"], "answer-broke");
}

#[tokio::test]
async fn answers_of_services_are_left_as_they_are_where_nothing_is_said() {
    let system = System::start("[service.a]\nrun = \"a\"\nroute = \"/\"\n").await;
    let instance = system.played("a", "a-1").await;
    let text = text();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    let mut client = system.client().await;
    let (head, _) = tokio::join!(
        client.ask_for("/", "gzip"),
        play(&instance, answer.as_bytes())
    );
    assert_eq!(
        (field(&head, "content-encoding"), field(&head, "vary")),
        (None, None)
    );
}

#[tokio::test]
async fn files_are_compressed_on_their_way_unless_that_is_off() {
    let site = "[site.docs]\nroot = \"public\"\n";
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("public")).unwrap();
    let text = text().repeat(20);
    fs::write(folder.path().join("public/a.txt"), &text).unwrap();
    fs::write(folder.path().join("public/short.txt"), "short").unwrap();
    fs::write(folder.path().join("public/a.png"), &text).unwrap();
    let system = System::start_in(folder, site).await;
    let mut client = system.client().await;
    for coding in ["gzip", "br", "zstd"] {
        let head = client.ask_for("/a.txt", coding).await;
        assert_eq!(field(&head, "content-encoding"), Some(coding));
        assert!(field(&head, "etag").unwrap().starts_with("W/"));
        assert_eq!(field(&head, "accept-ranges"), None);
        let body = client.chunks().await;
        assert!(body.len() < text.len() / 10);
        assert!(decoded(coding, &body) == text);
    }
    let tag = {
        let head = client.ask_for("/a.txt", "gzip").await;
        client.chunks().await;
        field(&head, "etag").unwrap().to_owned()
    };
    client
        .send(&format!("GET /a.txt HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\nif-none-match: {tag}\r\n\r\n"))
        .await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 304 "), "{head}");
    assert_eq!(field(&head, "etag"), Some(tag.as_str()));
    for path in ["/short.txt", "/a.png"] {
        let head = client.ask_for(path, "gzip").await;
        assert_eq!(field(&head, "content-encoding"), None, "{path}");
        let length = field(&head, "content-length").unwrap().parse().unwrap();
        client.exactly(length).await.unwrap();
    }
    let request =
        "GET /a.txt HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\nrange: bytes=0-3\r\n\r\n";
    let answer = client.ask(request).await;
    assert_eq!((answer.status, answer.body.as_str()), (206, "line"));
    assert_eq!(answer.field("content-encoding"), None);
    client.send("GET /a.txt HTTP/1.0\r\nhost: a\r\naccept-encoding: gzip\r\nconnection: keep-alive\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!(
        (answer.field("content-encoding"), answer.body.len()),
        (None, text.len())
    );
    let off = format!("[gateway]\nlisten = \"127.0.0.1:0\"\ncompress = false\n{site}");
    system.handle.apply(plan(&off)).await.unwrap();
    let head = client.ask_for("/a.txt", "gzip").await;
    assert_eq!(field(&head, "content-encoding"), None);
}
