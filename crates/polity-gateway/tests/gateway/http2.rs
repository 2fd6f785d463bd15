//! Requests over HTTP/2, by a client that keeps to its rules, and by one that does not.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::*;

const PLAN: &str = "[service.shop]\nrun = \"shop\"\nroute = \"/\"\n";

/// A connection by prior knowledge.
pub(crate) struct Http2 {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    pub(crate) async fn connect(system: &System) -> Self {
        let stream = TcpStream::connect(system.handle.public_address())
            .await
            .unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        Self {
            requests: requests.ready().await.unwrap(),
            connection: tokio::spawn(connection),
        }
    }

    /// Knows that the server takes these, which its settings say. There is to be no route for `/none`.
    async fn connect_for_websockets(system: &System) -> Self {
        let mut client = Self::connect(system).await;
        while !client.requests.is_extended_connect_protocol_enabled() {
            assert_eq!(client.get("/none").await.head.status(), 404);
        }
        client
    }

    pub(crate) fn send(
        &mut self,
        request: Request<()>,
        is_over: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        self.requests.send_request(request, is_over).unwrap()
    }

    async fn get(&mut self, path: &str) -> Got {
        let (answer, _) = self.send(request("GET", path), true);
        got(answer.await.unwrap()).await
    }
}

/// A whole answer.
pub(crate) struct Got {
    pub(crate) head: Response<()>,
    pub(crate) body: String,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Got {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|it| it.to_str().unwrap())
    }

    /// What the service was sent, which is what it answers with.
    fn sent(&self, name: &str) -> Option<&str> {
        field(&self.body, name)
    }
}

pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("http://shop.example{path}");
    Request::builder().method(method).uri(uri).body(()).unwrap()
}

pub(crate) async fn got(answer: Response<RecvStream>) -> Got {
    let (head, mut stream) = answer.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len()).unwrap();
    }
    Got {
        head: Response::from_parts(head, ()),
        body: String::from_utf8(body).unwrap(),
        trailers: stream.trailers().await.unwrap(),
    }
}

/// Sends all of it, as the other side has room.
async fn send_all(stream: &mut SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = poll_fn(|context| stream.poll_capacity(context)).await;
        let room = room.unwrap().unwrap().min(bytes.len());
        stream
            .send_data(bytes.split_to(room), bytes.is_empty())
            .unwrap();
    }
}

async fn shop() -> (System, Origin) {
    let system = System::start(PLAN).await;
    let origin = system.origin("shop", "shop-1").await;
    (system, origin)
}

#[tokio::test]
async fn a_request_is_forwarded_as_any_other_and_many_at_once() {
    let (system, _origin) = shop().await;
    let mut client = Http2::connect(&system).await;
    let answers: Vec<_> = (0..50)
        .map(|number| client.send(request("GET", &format!("/a?{number}")), true).0)
        .collect();
    for (number, answer) in answers.into_iter().enumerate() {
        let got = got(answer.await.unwrap()).await;
        assert_eq!(got.head.status(), 200);
        let line = format!("GET /a?{number} HTTP/1.1\r\n");
        assert!(got.body.starts_with(&line), "{}", got.body);
        assert_eq!(got.sent("host"), Some("shop.example"));
        assert!(got.sent("x-request-id").is_some());
        assert_eq!(got.field("x-instance"), Some("shop-1"));
    }
    let (answer, _) = client.send(request("HEAD", "/a"), true);
    let answered = got(answer.await.unwrap()).await;
    assert_eq!(
        (answered.head.status().as_u16(), answered.body.as_str()),
        (200, "")
    );
    assert!(answered.field("content-length").is_some());
}

#[tokio::test]
async fn errors_are_those_of_the_gateway() {
    let system = System::start(PLAN).await;
    let mut client = Http2::connect(&system).await;
    let got = client.get("/").await;
    assert_eq!(got.head.status(), 503);
    assert_eq!(got.field("content-type"), Some("application/problem+json"));
    assert_eq!(got.field("connection"), None);
}

#[tokio::test]
async fn bodies_with_and_without_a_length_pass_both_ways() {
    let (system, _origin) = shop().await;
    let body = Bytes::from("0123456789abcdef".repeat(20_000));
    let mut client = Http2::connect(&system).await;
    let mut post = request("POST", "/");
    post.headers_mut()
        .insert("content-length", body.len().into());
    let (answer, mut stream) = client.send(post, false);
    let sending = body.clone();
    tokio::spawn(async move { send_all(&mut stream, sending).await });
    let answered = got(answer.await.unwrap()).await;
    assert!(answered.body.as_bytes().ends_with(&body));
    assert_eq!(answered.sent("content-length"), Some("320000"));
}

/// An instance that a test plays is asked without a length, and answers with trailers.
#[tokio::test]
async fn trailers_pass_both_ways() {
    let system = System::start(PLAN).await;
    let instance = system.played("shop", "shop-1").await;
    let playing = tokio::spawn(async move {
        let (stream, _) = instance.accept().await.unwrap();
        let mut origin = Client::new(stream);
        let head = origin.head().await.unwrap();
        assert_eq!(field(&head, "transfer-encoding"), Some("chunked"), "{head}");
        let body = b"3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n";
        assert_eq!(origin.exactly(body.len()).await.unwrap(), body);
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status\r\n\r\n\
             5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n";
        origin.send(answer).await;
        origin
    });
    let mut client = Http2::connect(&system).await;
    let (answer, mut stream) = client.send(request("POST", "/"), false);
    stream.send_data("abc".into(), false).unwrap();
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "6".parse().unwrap())]);
    stream.send_trailers(trailers).unwrap();
    let answered = got(answer.await.unwrap()).await;
    assert_eq!(answered.body, "hello");
    assert_eq!(answered.field("transfer-encoding"), None);
    assert_eq!(answered.trailers.unwrap()["grpc-status"], "0");
    drop(playing.await.unwrap());
}

#[tokio::test]
async fn two_hosts_are_one_too_many() {
    let (system, _origin) = shop().await;
    let mut client = Http2::connect(&system).await;
    let mut two = request("GET", "/");
    two.headers_mut()
        .insert("host", "evil.example".parse().unwrap());
    let (answer, _) = client.send(two, true);
    assert_eq!(answer.await.unwrap().status(), 400);
    let mut same = request("GET", "/");
    same.headers_mut()
        .insert("host", "shop.example".parse().unwrap());
    same.headers_mut().append("cookie", "a=1".parse().unwrap());
    same.headers_mut().append("cookie", "b=2".parse().unwrap());
    let (answer, _) = client.send(same, true);
    let answered = got(answer.await.unwrap()).await;
    assert_eq!(answered.head.status(), 200);
    assert_eq!(answered.sent("cookie"), Some("a=1; b=2"));
}

#[tokio::test]
async fn a_client_that_gives_up_ends_its_request() {
    let system = System::start(PLAN).await;
    let instance = system.played("shop", "shop-1").await;
    let mut client = Http2::connect(&system).await;
    let (answer, mut stream) = client.send(request("GET", "/"), true);
    let (accepted, _) = instance.accept().await.unwrap();
    let mut origin = Client::new(accepted);
    origin.head().await.unwrap();
    stream.send_reset(Reason::CANCEL);
    assert_eq!(origin.head().await, None, "its connection ends");
    drop(answer);
    let line = system.line(|line| line["reason"] == "client-gone").await;
    assert_eq!(line["path"], "/");
}

#[tokio::test]
async fn who_gives_up_again_and_again_is_sent_away() {
    let (system, _origin) = shop().await;
    let client = Http2::connect(&system).await;
    for _ in 0..2_000 {
        let Ok(mut ready) = client.requests.clone().ready().await else {
            break;
        };
        let Ok((_, mut stream)) = ready.send_request(request("GET", "/slow"), true) else {
            break;
        };
        stream.send_reset(Reason::CANCEL);
        tokio::task::yield_now().await;
    }
    let ended = tokio::time::timeout(PATIENCE, client.connection).await;
    let why = ended.unwrap().unwrap().unwrap_err();
    assert_eq!(why.reason(), Some(Reason::ENHANCE_YOUR_CALM), "{why}");
    let mut other = Http2::connect(&system).await;
    assert_eq!(other.get("/").await.head.status(), 200);
}

#[tokio::test]
async fn a_websocket_passes() {
    let system = System::start(&PLAN.replace("\"/\"", "\"/chat\"")).await;
    let instance = system.played("shop", "shop-1").await;
    tokio::spawn(async move {
        let (stream, _) = instance.accept().await.unwrap();
        let mut origin = Client::new(stream);
        let head = origin.head().await.unwrap();
        assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(&head, "upgrade"), Some("websocket"));
        assert!(field(&head, "sec-websocket-key").is_some());
        let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
        origin.send(switch).await;
        let said = origin.exactly(4).await.unwrap();
        origin.stream.write_all(&said).await.unwrap();
        origin.stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let mut client = Http2::connect_for_websockets(&system).await;
    let mut connect = request("CONNECT", "/chat");
    connect
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    connect
        .headers_mut()
        .insert("sec-websocket-version", "13".parse().unwrap());
    let (answer, mut stream) = client.send(connect, false);
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    stream.send_data("ping".into(), false).unwrap();
    let mut body = answer.into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "ping");
    stream.send_data(Bytes::new(), true).unwrap();
    while let Some(rest) = body.data().await {
        assert_eq!(rest.unwrap(), "");
    }
}

/// What a stream carries after its request is not for this form of it to begin another with.
#[tokio::test]
async fn a_stream_brings_one_request() {
    let system = System::start(&PLAN.replace("\"/\"", "\"/chat\"")).await;
    let instance = system.played("shop", "shop-1").await;
    let playing = tokio::spawn(async move {
        let mut heads = Vec::new();
        loop {
            let (stream, _) = instance.accept().await.unwrap();
            let mut origin = Client::new(stream);
            while let Some(head) = origin.head().await {
                let is_last = head.starts_with("GET /chat/last");
                heads.push(head);
                // It does not change the protocol.
                origin
                    .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
                if is_last {
                    return heads;
                }
            }
        }
    });
    let mut client = Http2::connect_for_websockets(&system).await;
    let mut connect = request("CONNECT", "/chat/first");
    connect
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    let (answer, mut stream) = client.send(connect, false);
    let smuggled = "GET /chat/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.send_data(smuggled.into(), true).unwrap();
    assert_eq!(got(answer.await.unwrap()).await.head.status(), 200);
    assert_eq!(client.get("/chat/last").await.head.status(), 200);
    let heads = playing.await.unwrap();
    assert_eq!(heads.len(), 2, "{heads:?}");
}

/// Streams end for us once their bytes are on their way, which they are for as long as nobody reads them.
#[tokio::test]
async fn who_takes_nothing_of_what_there_is_is_let_go() {
    let plan =
        "[gateway]\nlisten = \"127.0.0.1:0\"\ntimeouts = { send = \"300ms\" }\n".to_owned() + PLAN;
    let system = System::start(&plan).await;
    let _origin = system.origin("shop", "shop-1").await;
    let address = system.handle.public_address();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // Else the systems may hold all of it.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = std::net::TcpStream::from(socket);
    let watched = stream.try_clone().unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = TcpStream::from_std(stream).unwrap();
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(1 << 30)
        .initial_connection_window_size(1 << 30);
    let (mut requests, mut connection) = builder.handshake::<_, Bytes>(stream).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..120 {
        let mut large = request("GET", "/");
        large
            .headers_mut()
            .insert("x-large", "x".repeat(28_000).parse().unwrap());
        answers.push(requests.send_request(large, true).unwrap().0);
    }
    // What is sent back is far more than both systems hold; of the first is read what comes before its end.
    let first = answers.remove(0);
    tokio::select! {
        answer = first => drop(answer),
        ended = &mut connection => panic!("{ended:?}"),
    }
    until(|| watched.take_error().unwrap().is_some()).await;
    assert_eq!(system.get("/").await.status, 200);
}
