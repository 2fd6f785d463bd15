//! An answer in the form of HTTP/1.1, as frames of HTTP/2.

use std::io;
use std::mem::MaybeUninit;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::outgoing::{Content, Outgoing, broken, fields};
use crate::body::Decoder;
use crate::head::ResponseHead;
use crate::head::request::{Asks, HeaderSpace};
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
    Flows(Outgoing),
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
            Body::Flows(body) => {
                let taken = ready!(body.poll_write(context, bytes))?;
                if body.is_done() {
                    self.body = Body::Ended;
                }
                Poll::Ready(Ok(taken))
            }
            // Nothing may follow, as after the end of a connection.
            Body::Ended => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// The sending side has ended.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if let Body::Flows(body) = &mut self.body
            && body.end()?
        {
            self.body = Body::Ended;
        }
        Ok(())
    }

    /// What the client got is not the whole.
    pub(super) fn reset(&mut self) {
        match &mut self.body {
            Body::NotYet => self.respond.send_reset(Reason::INTERNAL_ERROR),
            Body::Flows(body) => body.reset(Reason::INTERNAL_ERROR),
            Body::Ended => {}
        }
    }

    /// Ready once the client wants no more of it.
    pub(super) fn poll_reset(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.body {
            Body::NotYet => self.respond.poll_reset(context).map(drop),
            Body::Flows(body) => body.poll_reset(context),
            Body::Ended => Poll::Pending,
        }
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
    *response.headers_mut() = match is_tunnel {
        true => fields(head.headers, |name| {
            !name.eq_ignore_ascii_case("sec-websocket-accept")
        }),
        false => with_length(fields(head.headers, |_| true), head),
    };
    if head.is_interim() {
        respond.send_informational(response).map_err(broken)?;
        return Ok(Body::NotYet);
    }
    let decoder = Decoder::new(head.framing(asks));
    let is_over = decoder.is_done() && !is_tunnel;
    let stream = respond.send_response(response, is_over).map_err(broken)?;
    Ok(match (is_tunnel, is_over) {
        (true, _) => Body::Flows(Outgoing::new(stream, Content::Tunnel)),
        (false, true) => Body::Ended,
        (false, false) => Body::Flows(Outgoing::new(stream, Content::Body(decoder))),
    })
}

/// Of what frames a body, the length means something here too.
fn with_length(mut fields: HeaderMap, head: &ResponseHead<'_>) -> HeaderMap {
    if let Some(length) = head.header("content-length")
        && let Ok(length) = HeaderValue::from_bytes(length)
    {
        fields.append(CONTENT_LENGTH, length);
    }
    fields
}
