//! Requests and answers over HTTP/2 to origins: what the one form says, the other says too.

use bytes::Bytes;

use crate::http2_origin::{Http2Origin, trailers};
use crate::support::*;

#[tokio::test]
async fn a_request_is_put_into_the_other_form_and_its_answer_into_this() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST /a?b HTTP/1.1\r\nHost: a.example\r\nX-Custom: 1\r\nkeep-alive: 5\r\ncontent-length: 2\r\n\r\nhi")
        .await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    assert_eq!(call.head.method(), "POST");
    assert_eq!(call.head.uri().to_string(), "http://a.example/a?b");
    assert_eq!(call.field("x-custom"), Some("1"));
    assert_eq!(call.field("content-length"), Some("2"));
    assert_eq!((call.field("host"), call.field("keep-alive")), (None, None));
    assert_eq!(call.body().await, ("hi".to_owned(), None));
    let mut answer = call.answer(201, &[("x-answer", "2"), ("content-length", "3")], false);
    answer.send_data("abc".into(), true).unwrap();
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 201 \r\n"), "{head}");
    assert!(head.contains("x-answer: 2\r\n") && head.contains("content-length: 3\r\n"));
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert_eq!(client.exactly(3).await, b"abc");
    // Both connections go on.
    client.send(GET).await;
    session.request().await.answer_whole("ok");
    assert!(client.until("0\r\n\r\n").await.contains("2\r\nok\r\n"));
}

#[tokio::test]
async fn trailers_pass_both_ways_and_the_wish_for_them() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n")
        .await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    assert_eq!(call.field("te"), Some("trailers"));
    assert_eq!(call.field("transfer-encoding"), None);
    let (body, sent) = call.body().await;
    assert_eq!(body, "hi");
    assert_eq!(sent.unwrap()["x-sum"], "7");
    // Even where there is a length, which has no room for them in the other form.
    let fields = [
        ("content-length", "2"),
        ("content-type", "application/grpc"),
    ];
    let mut answer = call.answer(200, &fields, false);
    answer.send_data("ok".into(), false).unwrap();
    answer
        .send_trailers(trailers(&[("grpc-status", "0")]))
        .unwrap();
    let whole = client.until("0\r\ngrpc-status: 0\r\n\r\n").await;
    assert!(whole.contains("transfer-encoding: chunked\r\n"), "{whole}");
    assert!(!whole.contains("content-length"), "{whole}");
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_heads() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    let mut session = None;
    for (method, status, fields, expected) in [
        (
            "GET",
            200,
            vec![("grpc-status", "5")],
            Some("content-length: 0"),
        ),
        (
            "HEAD",
            200,
            vec![("content-length", "9")],
            Some("content-length: 9"),
        ),
        ("HEAD", 200, vec![], None),
        ("GET", 204, vec![], None),
        (
            "GET",
            304,
            vec![("content-length", "9")],
            Some("content-length: 9"),
        ),
    ] {
        client
            .send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        if session.is_none() {
            session = Some(origin.accept().await);
        }
        let mut call = session.as_mut().unwrap().request().await;
        assert_eq!(call.head.method(), method);
        call.answer(status, &fields, true);
        let head = client.head().await;
        let length = head.lines().find(|line| line.starts_with("content-length"));
        assert_eq!(length, expected, "{method} {head}");
        assert!(!head.contains("chunked"), "{head}");
    }
}

#[tokio::test]
async fn interim_answers_pass_and_an_expectation_does() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    assert_eq!(call.field("expect"), Some("100-continue"));
    let interim = |status| http::Response::builder().status(status).body(()).unwrap();
    call.respond.send_informational(interim(100)).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 100"));
    client.send("hi").await;
    assert_eq!(call.body().await.0, "hi");
    call.respond.send_informational(interim(103)).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 103"));
    call.answer_whole("ok");
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn large_bodies_pass_both_ways_at_once() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    const SIZE: usize = 3_000_000;
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n");
    client.send(head).await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    let length = SIZE.to_string();
    let mut answer = call.answer(200, &[("content-length", &length)], false);
    let echo = tokio::spawn(async move {
        while let Some(data) = call.body.data().await {
            let mut data = data.unwrap();
            call.body
                .flow_control()
                .release_capacity(data.len())
                .unwrap();
            while !data.is_empty() {
                answer.reserve_capacity(data.len());
                let room = std::future::poll_fn(|it| answer.poll_capacity(it)).await;
                let room = room.unwrap().unwrap().min(data.len());
                answer.send_data(data.split_to(room), false).unwrap();
            }
        }
        answer.send_data(Bytes::new(), true).unwrap();
    });
    client.head().await;
    let piece = "0123456789".repeat(10_000);
    let mut came = Vec::new();
    for _ in 0..SIZE / piece.len() {
        client.send(&piece).await;
        came.extend(client.exactly(piece.len()).await);
    }
    assert!(came == piece.repeat(SIZE / piece.len()).as_bytes());
    echo.await.unwrap();
    let ended = &proxy.ended(1).await[0];
    assert_eq!(
        (ended.request_bytes, ended.answer_bytes),
        (SIZE as u64, SIZE as u64)
    );
    assert_eq!(ended.fault, None);
}

#[tokio::test]
async fn what_no_path_should_hold_is_written_as_it_should_have_been() {
    let origin = Http2Origin::new().await;
    let proxy = http2_proxy(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("GET /a<b>?c=\"<>\" HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let mut session = origin.accept().await;
    let mut call = session.request().await;
    assert_eq!(call.head.uri().path(), "/a%3Cb%3E");
    call.answer_whole("ok");
    client.until("0\r\n\r\n").await;
    client.send("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(session.request().await.head.uri().path(), "*");
}
