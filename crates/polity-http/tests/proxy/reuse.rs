//! Which connections are used again, by how an exchange has ended: all that can, and none of which it
//! is not known where the next message begins.

use tokio::io::AsyncReadExt;

use crate::support::*;

/// How an exchange goes, and which of its connections are used again.
struct Ending {
    name: &'static str,
    request: &'static str,
    answer: &'static str,
    /// What the client gets, from here on.
    ends: &'static str,
    client: Used,
    origin: Used,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Used {
    Again,
    Once,
}
use Used::{Again, Once};

const HEAD: &str = "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_CLOSE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const GET_1_0: &str = "GET / HTTP/1.0\r\n\r\n";
const GET_1_0_KEPT: &str = "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
const POST_CHUNKED: &str =
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
const POST_HALF: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nhi";
const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

const fn ending(
    name: &'static str,
    (request, client): (&'static str, Used),
    (answer, origin): (&'static str, Used),
    ends: &'static str,
) -> Ending {
    Ending {
        name,
        request,
        answer,
        ends,
        client,
        origin,
    }
}

const ENDINGS: &[Ending] = &[
    ending("a length", (GET, Again), (OK, Again), "ok"),
    ending("chunks", (GET, Again), (CHUNKED, Again), "0\r\n\r\n"),
    ending("a body sent", (POST, Again), (OK, Again), "ok"),
    ending("chunks sent", (POST_CHUNKED, Again), (OK, Again), "ok"),
    ending("the client closes", (GET_CLOSE, Once), (OK, Again), "ok"),
    ending("to 1.0", (GET_1_0, Once), (OK, Again), "ok"),
    ending("to 1.0, kept", (GET_1_0_KEPT, Again), (OK, Again), "ok"),
    ending(
        "chunks to 1.0, which the end of the connection has to end",
        (GET_1_0_KEPT, Once),
        (CHUNKED, Again),
        "ok",
    ),
    ending(
        "the origin closes",
        (GET, Again),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
            Once,
        ),
        "ok",
    ),
    ending(
        "from 1.0",
        (GET, Again),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", Once),
        "ok",
    ),
    ending(
        "from 1.0, kept",
        (GET, Again),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
            Again,
        ),
        "ok",
    ),
    ending(
        "no content",
        (GET, Again),
        ("HTTP/1.1 204 No\r\n\r\n", Again),
        "\r\n\r\n",
    ),
    ending(
        "not modified, of a length",
        (GET, Again),
        ("HTTP/1.1 304 No\r\ncontent-length: 9\r\n\r\n", Again),
        "\r\n\r\n",
    ),
    ending(
        "a head of a length",
        (HEAD, Again),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Again),
        "\r\n\r\n",
    ),
    ending(
        "a head of chunks",
        (HEAD, Again),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            Again,
        ),
        "\r\n\r\n",
    ),
    ending(
        "a head of no framing",
        (HEAD, Again),
        ("HTTP/1.1 200 OK\r\n\r\n", Again),
        "\r\n\r\n",
    ),
    ending(
        "interim answers before",
        (GET, Again),
        ("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n", Again),
        " 204 No\r\n\r\n",
    ),
    ending("an upgrade declined", (UPGRADE, Again), (OK, Again), "ok"),
    ending(
        "a body refused",
        (POST_HALF, Once),
        ("HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno", Once),
        "no",
    ),
    ending(
        "an answer with something after it",
        (GET, Again),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok!", Once),
        "ok",
    ),
    ending(
        "no answer",
        (GET, Again),
        ("220 mail.example ESMTP\r\n\r\n", Once),
        "the HTTP version is not 1.0 or 1.1",
    ),
    ending(
        "a body that is none",
        (GET, Again),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nnonsense\r\n",
            Once,
        ),
        "the body is malformed",
    ),
];

/// Whether the next request comes to `upstream` rather than over a new connection.
async fn is_used_again(origin: &Origin, upstream: &mut Peer) -> Used {
    let mut byte = [0];
    tokio::select! {
        _ = origin.accept() => Once,
        read = upstream.stream.read(&mut byte) => match read {
            Ok(1) => Again,
            _ => Once,
        }
    }
}

#[tokio::test]
async fn connections_are_used_again_where_that_is_safe() {
    for ending in ENDINGS {
        let name = ending.name;
        let origin = Origin::new().await;
        let proxy = proxy(&[origin.address]).await;
        let mut client = proxy.client().await;
        client.send(ending.request).await;
        let mut upstream = origin.accept().await;
        let end = ending.request.rsplit("\r\n\r\n").next().unwrap();
        upstream
            .until(if end.is_empty() { "\r\n\r\n" } else { end })
            .await;
        upstream.send(ending.answer).await;
        client.until(ending.ends).await;
        if ending.client == Once {
            assert_eq!(client.rest().await, "", "{name}: the client's is closed");
            client = proxy.client().await;
        }
        client.send(GET).await;
        let origins = is_used_again(&origin, &mut upstream).await;
        assert_eq!(origins, ending.origin, "{name}: the origin's");
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_leaves_the_clients_open() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    for _ in 0..2 {
        client.send(GET).await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 200 OK\r\n\r\nok").await;
        upstream.finish_sending().await;
        client.until("ok\r\n0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn a_request_goes_on_after_an_answer_that_did_not_wait_for_it() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(POST_HALF).await;
    let mut upstream = origin.accept().await;
    upstream.until("hi").await;
    upstream
        .send("HTTP/1.1 202 Taken\r\ncontent-length: 2\r\n\r\nok")
        .await;
    assert!(!client.until("ok").await.contains("connection"));
    client.send("ho").await;
    upstream.until("ho").await;
    client.send(GET).await;
    assert_eq!(is_used_again(&origin, &mut upstream).await, Again);
    assert_eq!(proxy.ended(1).await[0].request_bytes, 4);
}

#[tokio::test]
async fn an_origin_that_is_done_before_the_request_is_gets_no_more_of_it() {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(POST_HALF).await;
    let mut upstream = origin.accept().await;
    upstream.until("hi").await;
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        .await;
    let answer = client.until("ok").await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(client.rest().await, "");
    assert_eq!(upstream.rest().await, "");
}
