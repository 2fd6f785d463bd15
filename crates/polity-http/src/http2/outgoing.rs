//! What goes out on a stream of HTTP/2, out of the form of HTTP/1.1: a body, its end, trailers.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::web::Base64Decoder;
use crate::body::Decoder;
use crate::head::{Header, is_hop_by_hop};
use crate::limits::MAX_HEADERS;

/// What follows a head on its way out.
pub(crate) struct Outgoing {
    stream: SendStream<Bytes>,
    content: Content,
    /// Where the body is in base64 and is not to be.
    base64: Option<Base64Decoder>,
}

/// What the bytes are.
pub(crate) enum Content {
    /// A body, framed as its head has said.
    Body(Decoder),
    /// Those of another protocol, as they come.
    Tunnel,
}

impl Outgoing {
    pub(crate) fn new(stream: SendStream<Bytes>, content: Content) -> Self {
        Self {
            stream,
            content,
            base64: None,
        }
    }

    /// With the body taken out of base64.
    pub(crate) fn out_of_base64(self) -> Self {
        Self {
            base64: Some(Base64Decoder::default()),
            ..self
        }
    }

    /// Takes as much of `bytes` as the other side has room for.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.content {
            Content::Body(decoder) => {
                let base64 = self.base64.as_mut();
                poll_body(&mut self.stream, decoder, base64, context, bytes)
            }
            Content::Tunnel => {
                let count = ready!(poll_room(&mut self.stream, context, bytes.len()))?;
                let data = Bytes::copy_from_slice(&bytes[..count]);
                let sent = self.stream.send_data(data, false);
                Poll::Ready(sent.map_err(broken).map(|()| count))
            }
        }
    }

    /// Whether its end has been sent.
    pub(crate) fn is_done(&self) -> bool {
        matches!(&self.content, Content::Body(decoder) if decoder.is_done())
    }

    /// Ends what only this is the end of. False where it has another.
    pub(crate) fn end(&mut self) -> io::Result<bool> {
        match self.content {
            Content::Tunnel | Content::Body(Decoder::UntilClose) => {
                let sent = self.stream.send_data(Bytes::new(), true);
                sent.map_err(broken).map(|()| true)
            }
            Content::Body(_) => Ok(false),
        }
    }

    pub(crate) fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Ready once the other side wants no more of it.
    pub(crate) fn poll_reset(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(context).map(drop)
    }
}

/// Writes the first of `slices` that are not empty, and those after it as far as they are taken whole.
pub(crate) fn poll_write_each(
    slices: &[io::IoSlice<'_>],
    mut poll_write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    let mut written = 0;
    for bytes in slices.iter().filter(|it| !it.is_empty()) {
        match poll_write(bytes) {
            Poll::Ready(Ok(count)) => {
                written += count;
                if count < bytes.len() {
                    break;
                }
            }
            // It comes again with the next call.
            _ if written > 0 => break,
            other => return other,
        }
    }
    Poll::Ready(Ok(written))
}

/// Fields of a head or of trailers, but for those that concern the connection alone, and those that
/// `keep` leaves out.
pub(crate) fn fields(headers: &[Header<'_>], keep: impl Fn(&str) -> bool) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(headers.len());
    for header in headers {
        if is_hop_by_hop(header.name) || !keep(header.name) {
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

/// Waits until the other side has room for some of `wanted` bytes; gives for how many.
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

/// Sends what of `bytes` is of the body, as far as there is room, and its end with it. That, and what frames
/// it, need no room: who has taken all of a body must be told that this was all.
fn poll_body(
    stream: &mut SendStream<Bytes>,
    decoder: &mut Decoder,
    mut base64: Option<&mut Base64Decoder>,
    context: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    let mut taken = 0;
    while taken < bytes.len() && !decoder.is_done() {
        let step = decoder.step(&bytes[taken..], stream.capacity());
        let step = step.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let data = &bytes[taken..][step.data];
        taken += step.consumed;
        let is_last = decoder.is_done() && decoder.trailers().is_empty();
        if !data.is_empty() || is_last {
            let data = match &mut base64 {
                Some(base64) => out_of_base64(base64, data, decoder.is_done())?,
                None => Bytes::copy_from_slice(data),
            };
            stream.send_data(data, is_last).map_err(broken)?;
        } else if step.consumed == 0 {
            match poll_room(stream, context, bytes.len() - taken) {
                Poll::Pending if taken > 0 => break,
                room => drop(ready!(room)?),
            }
        }
    }
    if decoder.is_done() && !decoder.trailers().is_empty() {
        let sent = stream.send_trailers(trailers(decoder.trailers()));
        sent.map_err(broken)?;
    }
    Poll::Ready(Ok(taken))
}

fn out_of_base64(base64: &mut Base64Decoder, data: &[u8], is_last: bool) -> io::Result<Bytes> {
    let decoded = base64
        .decode(data)
        .filter(|_| !is_last || base64.is_whole());
    decoded
        .map(Bytes::from)
        .ok_or(io::ErrorKind::InvalidData.into())
}

/// Whole lines, as the decoder has them.
fn trailers(lines: &[u8]) -> HeaderMap {
    let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let lines = [lines, b"\r\n"].concat();
    match httparse::parse_headers(&lines, &mut space) {
        Ok(httparse::Status::Complete((_, parsed))) => fields(parsed, |_| true),
        // They were checked when they were decoded.
        _ => HeaderMap::new(),
    }
}

pub(crate) fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
