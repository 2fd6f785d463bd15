//! An origin that speaks HTTP/2, in the hands of a test.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::PATIENCE;

pub(crate) struct Http2Origin {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Http2Origin {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener,
        }
    }

    pub(crate) async fn accept(&self) -> Session {
        self.accept_with(|_| {}).await
    }

    /// A connection, for which the origin has settings of its own.
    pub(crate) async fn accept_with(&self, set: impl FnOnce(&mut Builder)) -> Session {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        let stream = accepted.expect("a connection came").unwrap().0;
        let mut settings = Builder::new();
        set(&mut settings);
        let connection = settings.handshake(stream).await.unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let (end, ends) = mpsc::unbounded_channel();
        tokio::spawn(serve(connection, sender, ends));
        Session { requests, end }
    }

    /// Whether nobody else has connected.
    pub(crate) async fn is_left_alone(&self) -> bool {
        let soon = std::time::Duration::from_millis(50);
        timeout(soon, self.listener.accept()).await.is_err()
    }
}

enum End {
    Graceful,
    Abrupt,
}

async fn serve(
    mut connection: h2::server::Connection<TcpStream, Bytes>,
    requests: mpsc::UnboundedSender<(Request<RecvStream>, SendResponse<Bytes>)>,
    mut ends: mpsc::UnboundedReceiver<End>,
) {
    loop {
        tokio::select! {
            request = connection.accept() => match request {
                Some(Ok(request)) => drop(requests.send(request)),
                _ => return,
            },
            end = ends.recv() => match end {
                Some(End::Graceful) => connection.graceful_shutdown(),
                Some(End::Abrupt) | None => return,
            },
        }
    }
}

/// A connection of the proxy's. Dropping it breaks it off.
pub(crate) struct Session {
    requests: mpsc::UnboundedReceiver<(Request<RecvStream>, SendResponse<Bytes>)>,
    end: mpsc::UnboundedSender<End>,
}

impl Session {
    pub(crate) async fn request(&mut self) -> Call {
        let request = timeout(PATIENCE, self.requests.recv()).await;
        let (request, respond) = request.expect("a request came").expect("it is open");
        let (head, body) = request.into_parts();
        Call {
            head: Request::from_parts(head, ()),
            body,
            respond,
        }
    }

    /// Takes no more requests, and answers those that there are.
    pub(crate) fn go_away(&self) {
        let _ = self.end.send(End::Graceful);
    }

    pub(crate) fn break_off(&self) {
        let _ = self.end.send(End::Abrupt);
    }
}

/// A request to the origin.
pub(crate) struct Call {
    pub(crate) head: Request<()>,
    pub(crate) body: RecvStream,
    pub(crate) respond: SendResponse<Bytes>,
}

impl Call {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|it| it.to_str().unwrap())
    }

    /// All of the body, and its trailers.
    pub(crate) async fn body(&mut self) -> (String, Option<HeaderMap>) {
        let mut body = Vec::new();
        while let Some(data) = timeout(PATIENCE, self.body.data())
            .await
            .expect("more came")
        {
            let data = data.unwrap();
            body.extend_from_slice(&data);
            self.body
                .flow_control()
                .release_capacity(data.len())
                .unwrap();
        }
        let text = String::from_utf8(body).unwrap();
        (text, self.body.trailers().await.unwrap())
    }

    /// Answers with a head alone, or one that a body follows.
    pub(crate) fn answer(
        &mut self,
        status: u16,
        fields: &[(&str, &str)],
        is_over: bool,
    ) -> SendStream<Bytes> {
        let mut answer = Response::builder().status(status);
        for (name, value) in fields {
            answer = answer.header(*name, *value);
        }
        self.respond
            .send_response(answer.body(()).unwrap(), is_over)
            .unwrap()
    }

    pub(crate) fn answer_whole(&mut self, body: &str) {
        let mut stream = self.answer(200, &[], false);
        stream
            .send_data(Bytes::copy_from_slice(body.as_bytes()), true)
            .unwrap();
    }

    /// Waits until the proxy gives the request up.
    pub(crate) async fn given_up(&mut self) -> Reason {
        let reset = std::future::poll_fn(|context| self.respond.poll_reset(context));
        timeout(PATIENCE, reset)
            .await
            .expect("it was given up")
            .unwrap()
    }
}

/// Trailers of these fields.
pub(crate) fn trailers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    for (name, value) in fields {
        trailers.insert(*name, value.parse().unwrap());
    }
    trailers
}
