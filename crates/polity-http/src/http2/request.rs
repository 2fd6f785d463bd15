//! A request of HTTP/2, in the form of HTTP/1.1 (RFC 9113, section 8.3.1).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf, Bytes};
use h2::RecvStream;
use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::{HeaderMap, Method, Request};
use tokio::io::ReadBuf;

/// A request on its way in.
pub(super) struct Incoming {
    body: RecvStream,
    framing: Framing,
    state: State,
    /// To be read next: a head, what frames a chunk, trailers.
    text: Vec<u8>,
    /// How much of that has been read.
    taken: usize,
    /// To be read after it.
    data: Bytes,
}

/// How the body is framed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// As it comes: it has a length, or none is needed.
    Plain,
    Chunked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Body,
    Trailers,
    End,
}

impl Incoming {
    pub(super) fn new(request: Request<RecvStream>) -> Self {
        let (head, body) = request.into_parts();
        let is_tunnel = head.method == Method::CONNECT;
        let has_length = head.headers.contains_key(CONTENT_LENGTH);
        let is_chunked = !is_tunnel && !has_length && !body.is_end_stream();
        let framing = match is_chunked {
            true => Framing::Chunked,
            false => Framing::Plain,
        };
        let mut text = Vec::with_capacity(512);
        write_head(&head, framing, &mut text);
        Self {
            body,
            framing,
            state: State::Body,
            text,
            taken: 0,
            data: Bytes::new(),
        }
    }

    /// Waits until there is something to read, or nothing more will come.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.taken == self.text.len() && self.data.is_empty() {
            self.text.clear();
            self.taken = 0;
            match self.state {
                State::Body => match ready!(self.body.poll_data(context)) {
                    Some(data) => self.begin_chunk(data.map_err(broken)?),
                    None => self.state = State::Trailers,
                },
                State::Trailers => {
                    let trailers = ready!(self.body.poll_trailers(context)).map_err(broken)?;
                    self.end(trailers.as_ref());
                }
                State::End => return Poll::Ready(Ok(())),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Moves what there is to `buffer`, as far as it has room.
    pub(super) fn take(&mut self, buffer: &mut ReadBuf<'_>) {
        let text = &self.text[self.taken..];
        let count = text.len().min(buffer.remaining());
        buffer.put_slice(&text[..count]);
        self.taken += count;
        let count = self.data.len().min(buffer.remaining());
        if count == 0 {
            return;
        }
        buffer.put_slice(&self.data[..count]);
        self.data.advance(count);
        // The client may send as much again. It fails only where more is released than came.
        let _ = self.body.flow_control().release_capacity(count);
        if self.data.is_empty() && self.framing == Framing::Chunked {
            self.text.clear();
            self.taken = 0;
            self.text.extend_from_slice(b"\r\n");
        }
    }

    fn begin_chunk(&mut self, data: Bytes) {
        if self.framing == Framing::Chunked && !data.is_empty() {
            // Writing to a vector does not fail.
            let _ = write!(self.text, "{:x}\r\n", data.len());
        }
        self.data = data;
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) {
        self.state = State::End;
        if self.framing == Framing::Plain {
            return;
        }
        self.text.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.into_iter().flatten() {
            field(name.as_str(), value.as_bytes(), &mut self.text);
        }
        self.text.extend_from_slice(b"\r\n");
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

/// Nothing in it is judged here: what it says twice, it says twice.
fn write_head(head: &http::request::Parts, framing: Framing, out: &mut Vec<u8>) {
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
    if framing == Framing::Chunked {
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

fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// A nonce (RFC 6455, section 4.1), which the other form has and this one has not.
fn websocket_key() -> String {
    let half = || RandomState::new().build_hasher().finish().to_ne_bytes();
    BASE64_STANDARD.encode([half(), half()].concat())
}
