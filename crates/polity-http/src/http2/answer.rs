//! An answer in the form of HTTP/1.1, as frames of HTTP/2.

use std::io;
use std::mem::MaybeUninit;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::body::Decoder;
use crate::head::request::{Asks, HeaderSpace};
use crate::head::{Header, ResponseHead, is_hop_by_hop};
use crate::limits::{MAX_HEAD, MAX_HEADERS};

/// An answer on its way out.
pub(super) struct Answer {
    respond: SendResponse<Bytes>,
    asks: Asks,
    /// So much of a head as has come.
    head: Vec<u8>,
    body: Body,
}

enum Body {
    /// There is no final head yet.
    NotYet,
    Flows(SendStream<Bytes>, Decoder),
    /// After a change of protocol: bytes as they come.
    Tunnel(SendStream<Bytes>),
    Ended,
}

impl Answer {
    pub(super) fn new(respond: SendResponse<Bytes>, asks: Asks) -> Self {
        Self {
            respond,
            asks,
            head: Vec::new(),
            body: Body::NotYet,
        }
    }

    /// Whether the client has been sent the beginning of it.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.body, Body::NotYet)
    }

    /// Takes as much of `bytes` as the client has room for.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.body {
            Body::NotYet => Poll::Ready(self.take_head(bytes)),
            Body::Flows(stream, decoder) => {
                let taken = ready!(poll_body(stream, decoder, context, bytes))?;
                if decoder.is_done() {
                    self.body = Body::Ended;
                }
                Poll::Ready(Ok(taken))
            }
            Body::Tunnel(stream) => {
                let count = ready!(poll_room(stream, context, bytes.len()))?;
                let data = Bytes::copy_from_slice(&bytes[..count]);
                Poll::Ready(
                    stream
                        .send_data(data, false)
                        .map_err(broken)
                        .map(|()| count),
                )
            }
            // Nothing may follow, as after the end of a connection.
            Body::Ended => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// The sending side has ended.
    pub(super) fn end(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.body, Body::Ended) {
            Body::Tunnel(mut stream) | Body::Flows(mut stream, Decoder::UntilClose) => {
                stream.send_data(Bytes::new(), true).map_err(broken)
            }
            other => {
                self.body = other;
                Ok(())
            }
        }
    }

    /// What the client got is not the whole.
    pub(super) fn reset(&mut self) {
        match &mut self.body {
            Body::NotYet => self.respond.send_reset(Reason::INTERNAL_ERROR),
            Body::Flows(stream, _) | Body::Tunnel(stream) => {
                stream.send_reset(Reason::INTERNAL_ERROR);
            }
            Body::Ended => {}
        }
    }

    /// Ready once the client wants no more of it.
    pub(super) fn poll_reset(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let reset = match &mut self.body {
            Body::NotYet => self.respond.poll_reset(context),
            Body::Flows(stream, _) | Body::Tunnel(stream) => stream.poll_reset(context),
            Body::Ended => return Poll::Pending,
        };
        reset.map(|_| ())
    }

    /// Gathers a head, and sends it once it is whole.
    fn take_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let known = self.head.len();
        self.head
            .extend_from_slice(&bytes[..bytes.len().min(MAX_HEAD)]);
        let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let parsed = ResponseHead::parse(&self.head, &mut space);
        let parsed = parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let Some((head, length)) = parsed else {
            let taken = self.head.len() - known;
            return match self.head.len() > 2 * MAX_HEAD {
                true => Err(io::ErrorKind::InvalidData.into()),
                false => Ok(taken),
            };
        };
        let taken = length.saturating_sub(known);
        self.body = send_head(&mut self.respond, &head, self.asks)?;
        self.head = Vec::new();
        Ok(taken)
    }
}

/// Sends a head; with what is to follow it.
fn send_head(
    respond: &mut SendResponse<Bytes>,
    head: &ResponseHead<'_>,
    asks: Asks,
) -> io::Result<Body> {
    let is_tunnel = head.status == 101;
    let mut response = Response::new(());
    *response.status_mut() = match is_tunnel {
        // RFC 8441, section 5.
        true => StatusCode::OK,
        false => StatusCode::from_u16(head.status).map_err(io::Error::other)?,
    };
    *response.headers_mut() = fields(head.headers, is_tunnel);
    if head.is_interim() {
        respond.send_informational(response).map_err(broken)?;
        return Ok(Body::NotYet);
    }
    let decoder = Decoder::new(head.framing(asks));
    let is_over = decoder.is_done() && !is_tunnel;
    let stream = respond.send_response(response, is_over).map_err(broken)?;
    Ok(match (is_tunnel, is_over) {
        (true, _) => Body::Tunnel(stream),
        (false, true) => Body::Ended,
        (false, false) => Body::Flows(stream, decoder),
    })
}

/// What concerns the connection alone goes no further, but for the length.
fn fields(headers: &[Header<'_>], is_tunnel: bool) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let is_length = header.name.eq_ignore_ascii_case("content-length");
        let is_handshake = header.name.eq_ignore_ascii_case("sec-websocket-accept");
        if is_hop_by_hop(header.name) && !is_length || is_tunnel && (is_length || is_handshake) {
            continue;
        }
        // Both were checked when they were parsed.
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(header.name.as_bytes()),
            HeaderValue::from_bytes(header.value),
        ) {
            fields.append(name, value);
        }
    }
    fields
}

/// Waits until the client has room for some of `wanted` bytes; gives for how many.
fn poll_room(
    stream: &mut SendStream<Bytes>,
    context: &mut Context<'_>,
    wanted: usize,
) -> Poll<io::Result<usize>> {
    loop {
        match stream.capacity() {
            0 => {}
            room => return Poll::Ready(Ok(room.min(wanted))),
        }
        stream.reserve_capacity(wanted);
        match ready!(stream.poll_capacity(context)) {
            Some(room) => drop(room.map_err(broken)?),
            None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

/// Sends what of `bytes` is of the body, as far as there is room, and its end with it.
fn poll_body(
    stream: &mut SendStream<Bytes>,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    let mut taken = 0;
    while taken < bytes.len() && !decoder.is_done() {
        let room = match poll_room(stream, context, bytes.len() - taken) {
            Poll::Pending if taken > 0 => break,
            room => ready!(room)?,
        };
        let step = decoder.step(&bytes[taken..], room);
        let step = step.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let data = &bytes[taken..][step.data];
        taken += step.consumed;
        let is_last = decoder.is_done() && decoder.trailers().is_empty();
        if !data.is_empty() || is_last {
            let data = Bytes::copy_from_slice(data);
            stream.send_data(data, is_last).map_err(broken)?;
        }
    }
    if decoder.is_done() && !decoder.trailers().is_empty() {
        stream
            .send_trailers(trailers(decoder.trailers()))
            .map_err(broken)?;
    }
    Poll::Ready(Ok(taken))
}

/// Whole lines, as the decoder has them.
fn trailers(lines: &[u8]) -> HeaderMap {
    let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let lines = [lines, b"\r\n"].concat();
    match httparse::parse_headers(&lines, &mut space) {
        Ok(httparse::Status::Complete((_, parsed))) => fields(parsed, false),
        // They were checked when they were decoded.
        _ => HeaderMap::new(),
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
