//! A request of HTTP/2, in the form of HTTP/1.1 (RFC 9113, section 8.3.1).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use h2::RecvStream;
use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::{HeaderMap, Method, Request};

use super::incoming::{BodyFraming, Incoming, field};

/// A request on its way in.
pub(super) fn incoming(request: Request<RecvStream>) -> Incoming {
    let (head, body) = request.into_parts();
    let is_tunnel = head.method == Method::CONNECT;
    let has_length = head.headers.contains_key(CONTENT_LENGTH);
    let is_chunked = !is_tunnel && !has_length && !body.is_end_stream();
    let framing = match is_chunked {
        true => BodyFraming::Chunked,
        false => BodyFraming::Plain,
    };
    let mut text = Vec::with_capacity(512);
    write_head(&head, framing, &mut text);
    Incoming::new(text, framing, body)
}

/// Nothing in it is judged here: what it says twice, it says twice.
fn write_head(head: &http::request::Parts, framing: BodyFraming, out: &mut Vec<u8>) {
    let authority = head.uri.authority().map_or("", |it| it.as_str());
    let protocol = head.extensions.get::<Protocol>();
    let is_connect = head.method == Method::CONNECT;
    let method = match protocol {
        // RFC 8441, section 4.
        Some(_) if is_connect => "GET",
        _ => head.method.as_str(),
    };
    let target = match head.uri.path_and_query() {
        _ if is_connect && protocol.is_none() => authority,
        Some(target) if target.as_str().is_empty() => "/",
        Some(target) => target.as_str(),
        None => "/",
    };
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if !authority.is_empty() {
        field("host", authority.as_bytes(), out);
    }
    if let Some(protocol) = protocol {
        field("connection", b"upgrade", out);
        field("upgrade", protocol.as_str().as_bytes(), out);
        if protocol.as_str() == "websocket" {
            field("sec-websocket-key", websocket_key().as_bytes(), out);
        }
    }
    if framing == BodyFraming::Chunked {
        field("transfer-encoding", b"chunked", out);
    }
    write_fields(&head.headers, authority, out);
    out.extend_from_slice(b"\r\n");
}

fn write_fields(fields: &HeaderMap, authority: &str, out: &mut Vec<u8>) {
    for (name, value) in fields {
        let is_said = name == HOST && value.as_bytes() == authority.as_bytes();
        if !is_said && name != COOKIE {
            field(name.as_str(), value.as_bytes(), out);
        }
    }
    // RFC 9113, section 8.2.3: crumbs are one cookie again.
    let mut crumbs = fields.get_all(COOKIE).into_iter();
    if let Some(first) = crumbs.next() {
        out.extend_from_slice(b"cookie: ");
        out.extend_from_slice(first.as_bytes());
        for crumb in crumbs {
            out.extend_from_slice(b"; ");
            out.extend_from_slice(crumb.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A nonce (RFC 6455, section 4.1), which the other form has and this one has not.
fn websocket_key() -> String {
    let half = || RandomState::new().build_hasher().finish().to_ne_bytes();
    BASE64_STANDARD.encode([half(), half()].concat())
}
