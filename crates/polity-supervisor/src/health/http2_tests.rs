//! Checks over HTTP/2 against servers that a test plays.

use tokio::net::TcpListener;

use super::*;

#[test]
fn the_question_is_a_message_of_protocol_buffers() {
    assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
    assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    let long = question(&"a".repeat(300));
    assert_eq!(&long[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
    assert_eq!(long.len(), PREFIX + 3 + 300);
}

#[test]
fn only_serving_is_serving() {
    let check = |message: &[u8], expected: Option<Serving>| {
        let body = [&[0, 0, 0, 0, message.len() as u8], message].concat();
        assert_eq!(serving(&body).ok(), expected, "{message:?}");
    };
    check(&[8, 1], Some(Serving::Yes));
    check(&[8, 2], Some(Serving::No("NOT_SERVING".to_owned())));
    check(&[8, 3], Some(Serving::No("SERVICE_UNKNOWN".to_owned())));
    check(&[], Some(Serving::No("UNKNOWN".to_owned())));
    check(&[0x12, 1, 0], None);
    assert_eq!(serving(&[0, 0]).ok(), None);
}

/// Serves one connection, and answers each request as `answer` does.
async fn server(
    answer: impl Fn(Request<Vec<u8>>, h2::server::SendResponse<Bytes>) + Send + 'static,
) -> (TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
        while let Some(Ok((request, respond))) = connection.accept().await {
            let (head, mut body) = request.into_parts();
            let mut whole = Vec::new();
            while !body.is_end_stream() {
                tokio::select! {
                    data = body.data() => match data {
                        Some(Ok(data)) => whole.extend_from_slice(&data),
                        _ => break,
                    },
                    _ = connection.accept() => return,
                }
            }
            answer(Request::from_parts(head, whole), respond);
        }
    });
    let stream = TcpStream::connect(address).await.expect("it listens");
    (stream, address)
}

fn head(status: u16, fields: &[(&str, &str)]) -> Response<()> {
    let begin = Response::builder().status(status);
    let fields = fields.iter();
    let head = fields.fold(begin, |head, (name, value)| head.header(*name, *value));
    head.body(()).expect("fields")
}

#[tokio::test]
async fn a_service_that_serves_is_ready() {
    let (stream, address) = server(|request, mut respond| {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.body()[PREFIX..], *b"\x0a\x04shop");
        let fields = [("content-type", "application/grpc")];
        let mut body = respond
            .send_response(head(200, &fields), false)
            .expect("open");
        body.send_data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]), false)
            .expect("open");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("a value"));
        body.send_trailers(trailers).expect("open");
    })
    .await;
    assert_eq!(grpc(stream, address, "shop").await, Ok(Serving::Yes));
}

#[tokio::test]
async fn one_that_answers_otherwise_is_not() {
    let check =
        async |status: u16, fields: &'static [(&str, &str)], expected: Result<Serving, &str>| {
            let (stream, address) = server(move |_, mut respond| {
                respond
                    .send_response(head(status, fields), true)
                    .expect("open");
            })
            .await;
            let got = grpc(stream, address, "").await;
            assert_eq!(got, expected.map_err(str::to_owned));
        };
    let unknown = Ok(Serving::No("that it has no such check".to_owned()));
    check(200, &[("grpc-status", "12")], unknown).await;
    check(
        200,
        &[("grpc-status", "14")],
        Ok(Serving::No("with status 14".to_owned())),
    )
    .await;
    check(404, &[], Err("status 404 and no grpc-status")).await;
}

#[tokio::test]
async fn a_path_is_asked_for_over_http2_too() {
    let (stream, address) = server(|request, mut respond| {
        let found = request.method() == "GET" && request.uri().path() == "/health";
        let status = if found { 204 } else { 404 };
        respond
            .send_response(head(status, &[]), true)
            .expect("open");
    })
    .await;
    assert_eq!(status(stream, address, "/health").await, Ok(204));
}

#[tokio::test]
async fn what_does_not_speak_http2_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut peer, _) = listener.accept().await.expect("a connection");
    tokio::io::AsyncWriteExt::write_all(&mut peer, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .expect("open");
    assert!(grpc(stream, address, "").await.is_err());
}
