//! What hyper makes of the same bytes: its server of requests, its client of answers.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::body::{Body, Incoming};
use hyper::{HeaderMap, Method, Request, Response, Version};
use hyper_util::rt::TokioIo;
use polity_http::limits::MAX_HEADERS;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::message::{End, Field, Message, Reading, Start, Stop, sorted};

/// Bytes to be read, to a client only once it has written something; what is written is dropped.
pub(crate) struct Feed {
    bytes: Vec<u8>,
    at: usize,
    open: bool,
    reader: Option<Waker>,
}

impl Feed {
    fn new(bytes: &[u8], open: bool) -> Self {
        Self {
            bytes: bytes.to_vec(),
            at: 0,
            open,
            reader: None,
        }
    }
}

impl AsyncRead for Feed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if !self.open {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let rest = &self.bytes[self.at..];
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..taken]);
        self.at += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Feed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.open = true;
        self.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads requests as hyper's server does.
pub(crate) async fn requests(bytes: &[u8]) -> Reading {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let message = request_message(request).await;
            seen.borrow_mut().push(message);
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(Feed::new(bytes, true)), service)
        .await;
    let stop = match served {
        Err(error) if error.is_parse() => Stop::Refused,
        Ok(()) | Err(_) => Stop::Ended,
    };
    Reading {
        messages: seen.take(),
        stop,
        used: 0,
    }
}

/// Whether hyper may refuse what we accept, or what we make of it: its URI type does not take bytes that
/// old browsers send as they are. They are visible, part nothing, and go on as they came.
pub(crate) fn may_refuse(ours: &Message) -> bool {
    let Start::Request { target, .. } = &ours.start else {
        return false;
    };
    if ours.fields.len() + 3 > MAX_HEADERS {
        // Host, framing and the connection's, where a proxy adds them, are too many for it.
        return true;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    path.contains(['<', '>', '`']) || query.contains(['<', '>', '`', '"'])
}

/// Takes in a request with its body.
pub(crate) async fn request_message(request: Request<Incoming>) -> Message {
    let (head, body) = request.into_parts();
    let authority = match head.uri.authority() {
        Some(authority) => authority.as_str().to_owned(),
        None => head.headers.get("host").map_or_else(String::new, |host| {
            String::from_utf8_lossy(host.as_bytes()).into_owned()
        }),
    };
    let target = head.uri.path_and_query().map_or("", |it| it.as_str());
    let message = Message {
        start: Start::Request {
            method: head.method.as_str().to_owned(),
            authority,
            target: target.to_owned(),
        },
        is_11: head.version == Version::HTTP_11,
        fields: fields(&head.headers),
        body: Vec::new(),
        trailers: Vec::new(),
        end: End::Whole,
    };
    // Whoever serves the connection drives it.
    with_body(message, body, std::future::pending()).await
}

/// Reads the answer to a request with `method` as hyper's client does; the connection ends after `bytes`.
pub(crate) async fn answer(bytes: &[u8], method: Method) -> Reading {
    let feed = TokioIo::new(Feed::new(bytes, false));
    let (mut sender, mut connection) = hyper::client::conn::http1::handshake::<_, String>(feed)
        .await
        .expect("nothing is sent yet");
    let request = Request::builder()
        .method(method)
        .uri("/")
        .header("host", "a")
        .body(String::new())
        .expect("a request");
    let received = {
        let mut sent = pin!(sender.send_request(request));
        poll_fn(|context| {
            let ended = connection.poll_without_shutdown(context);
            match sent.as_mut().poll(context) {
                Poll::Ready(received) => Poll::Ready(received.ok()),
                Poll::Pending if ended.is_ready() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    };
    let Some(answer) = received else {
        return Reading {
            messages: Vec::new(),
            stop: Stop::Refused,
            used: 0,
        };
    };
    let (head, body) = answer.into_parts();
    let message = Message {
        start: Start::Answer {
            status: head.status.as_u16(),
        },
        is_11: head.version == Version::HTTP_11,
        fields: fields(&head.headers),
        body: Vec::new(),
        trailers: Vec::new(),
        end: End::Whole,
    };
    let driven = poll_fn(|context| connection.poll_without_shutdown(context));
    let message = with_body(message, body, driven).await;
    let rest = connection.into_parts();
    let feed = rest.io.into_inner();
    Reading {
        messages: vec![message],
        stop: Stop::Closes,
        used: feed.at - rest.read_buf.len(),
    }
}

/// Reads a body while `connection` runs.
async fn with_body(
    mut message: Message,
    body: Incoming,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Message {
    let mut body = pin!(body);
    let mut connection = pin!(connection);
    let mut ended = false;
    poll_fn(|context| {
        loop {
            let before = ended;
            ended = ended || connection.as_mut().poll(context).is_ready();
            match body.as_mut().poll_frame(context) {
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => message.body.extend_from_slice(&data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        message.trailers = fields(&trailers);
                    }
                },
                Poll::Ready(Some(Err(error))) => {
                    message.end = match is_cut(&error) {
                        true => End::Cut,
                        false => End::Refused,
                    };
                    return Poll::Ready(());
                }
                Poll::Pending if before => {
                    message.end = End::Cut;
                    return Poll::Ready(());
                }
                Poll::Pending if ended => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    message
}

/// Whether a body ended too early, rather than being malformed.
fn is_cut(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) {
            return true;
        }
        let hyper = error.downcast_ref::<hyper::Error>();
        if hyper.is_some_and(|hyper| hyper.is_incomplete_message()) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn fields(headers: &HeaderMap) -> Vec<Field> {
    sorted(
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    )
}
