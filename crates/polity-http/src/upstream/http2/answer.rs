//! An answer's head on its way in, in the form of HTTP/1.1.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::head::request::Asks;
use crate::http2::incoming::{BodyFraming, field};
use crate::http2::web::WebForm;
use crate::text::write_number;

/// How gRPC's types of content begin.
const GRPC: &str = "application/grpc";

/// What a WebSocket's key is joined with (RFC 6455, section 1.3).
const WEBSOCKET: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The change of protocol that a request asks for.
pub(super) struct Change {
    pub(super) protocol: String,
    /// Where it is to WebSocket, what its client wants to see an answer to.
    pub(super) key: Option<Vec<u8>>,
}

/// Whether anything follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    Nothing,
    Something,
}

/// An interim answer's head.
pub(super) fn interim(status: StatusCode, fields: &HeaderMap) -> io::Result<Vec<u8>> {
    let mut out = begin(status)?;
    write_fields(fields, &mut out);
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// A final answer's head, and how its body is framed.
pub(super) fn head(
    status: StatusCode,
    fields: &HeaderMap,
    asks: Asks,
    follows: Follows,
) -> io::Result<(Vec<u8>, BodyFraming)> {
    let mut out = begin(status)?;
    write_fields(fields, &mut out);
    let has_length = fields.contains_key(CONTENT_LENGTH);
    let has_body = asks != Asks::Head && !matches!(status.as_u16(), 204 | 304);
    let framing = match (has_body, follows) {
        // Else it would be known only at the connection's end that nothing follows.
        (true, Follows::Nothing) if !has_length => {
            out.extend_from_slice(b"content-length: 0\r\n\r\n");
            return Ok((out, BodyFraming::Plain));
        }
        (true, Follows::Something) if !has_length || has_trailers(fields) => BodyFraming::Chunked,
        _ => BodyFraming::Plain,
    };
    match framing {
        BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // As often as it came: the parser knows what to make of two.
        BodyFraming::Plain => fields
            .get_all(CONTENT_LENGTH)
            .iter()
            .for_each(|length| field("content-length", length.as_bytes(), &mut out)),
    }
    out.extend_from_slice(b"\r\n");
    Ok((out, framing))
}

/// The head that says that the protocol has changed.
pub(super) fn changed(change: &Change, fields: &HeaderMap) -> Vec<u8> {
    let mut out = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n".to_vec();
    field("upgrade", change.protocol.as_bytes(), &mut out);
    if let Some(key) = &change.key {
        let joined = [key, WEBSOCKET].concat();
        let accepted = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &joined));
        field("sec-websocket-accept", accepted.as_bytes(), &mut out);
    }
    write_fields(fields, &mut out);
    out.extend_from_slice(b"\r\n");
    out
}

/// Trailers may follow although there is a length: in the other form only chunks have them.
fn has_trailers(fields: &HeaderMap) -> bool {
    fields.contains_key(TRAILER) || is_grpc(fields)
}

/// Whether it is an answer of gRPC.
pub(super) fn is_grpc(fields: &HeaderMap) -> bool {
    let kind = fields.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()))
}

/// Has the head of an answer of gRPC say that it is one of gRPC-Web: what it is in the end.
pub(super) fn put_into_web(fields: &mut HeaderMap, form: WebForm) {
    let kind = fields.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let format = kind
        .and_then(|kind| kind.get(GRPC.len()..))
        .unwrap_or_default();
    if let Ok(kind) = HeaderValue::try_from(form.kind(format)) {
        fields.insert(CONTENT_TYPE, kind);
    }
    fields.remove(CONTENT_LENGTH);
}

fn begin(status: StatusCode) -> io::Result<Vec<u8>> {
    // RFC 9113, section 8.6: there is no such thing.
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(&mut out, status.as_u16().into());
    out.extend_from_slice(b" \r\n");
    Ok(out)
}

/// All but the length.
fn write_fields(fields: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in fields {
        if name != CONTENT_LENGTH {
            field(name.as_str(), value.as_bytes(), out);
        }
    }
}
