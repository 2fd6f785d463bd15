//! What comes on a stream of HTTP/2, in the form of HTTP/1.1: a head, a body framed as that says, trailers.

use std::io::{self, Write};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::RecvStream;
use http::HeaderMap;
use tokio::io::ReadBuf;

use super::outgoing::broken;
use super::web::WebForm;

/// A message on its way in.
pub(crate) struct Incoming {
    body: RecvStream,
    framing: BodyFraming,
    state: State,
    /// To be read next: a head, what frames a chunk, trailers.
    text: Vec<u8>,
    /// How much of that has been read.
    taken: usize,
    /// To be read after it.
    data: Bytes,
    /// What it is put into on its way, if it is.
    web: Option<WebForm>,
}

/// How the body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFraming {
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
    /// A message whose head is this, in the form of HTTP/1.1.
    pub(crate) fn new(head: Vec<u8>, framing: BodyFraming, body: RecvStream) -> Self {
        Self {
            body,
            framing,
            state: State::Body,
            text: head,
            taken: 0,
            data: Bytes::new(),
            web: None,
        }
    }

    /// With the body, which is chunked, put into a form of gRPC-Web.
    pub(crate) fn for_web(self, form: Option<WebForm>) -> Self {
        Self { web: form, ..self }
    }

    /// Waits until there is something to read, or nothing more will come.
    pub(crate) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while self.is_used_up() {
            self.text.clear();
            self.taken = 0;
            match self.state {
                State::Body => match ready!(self.body.poll_data(context)) {
                    Some(data) => self.begin_chunk(data?),
                    None => self.state = State::Trailers,
                },
                State::Trailers => {
                    let trailers = ready!(self.body.poll_trailers(context))?;
                    self.end(trailers.as_ref());
                }
                State::End => return Poll::Ready(Ok(())),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether all of it has been read.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::End && self.is_used_up()
    }

    /// Moves what there is to `buffer`, as far as it has room.
    pub(crate) fn take(&mut self, buffer: &mut ReadBuf<'_>) {
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
        if self.web.is_none() {
            self.release(count);
        }
        if self.data.is_empty() && self.framing == BodyFraming::Chunked {
            self.text.clear();
            self.taken = 0;
            self.text.extend_from_slice(b"\r\n");
        }
    }

    fn is_used_up(&self) -> bool {
        self.taken == self.text.len() && self.data.is_empty()
    }

    /// As much again may be sent.
    fn release(&mut self, count: usize) {
        // It fails only where more is released than came.
        let _ = self.body.flow_control().release_capacity(count);
    }

    fn begin_chunk(&mut self, data: Bytes) {
        let data = match self.web {
            Some(form) => {
                self.release(data.len());
                form.encode(&data).into()
            }
            None => data,
        };
        if self.framing == BodyFraming::Chunked && !data.is_empty() {
            // Writing to a vector does not fail.
            let _ = write!(self.text, "{:x}\r\n", data.len());
        }
        self.data = data;
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) {
        self.state = State::End;
        if self.framing == BodyFraming::Plain {
            return;
        }
        if let (Some(form), Some(trailers)) = (self.web, trailers) {
            let message = form.trailers(trailers);
            // As above.
            let _ = write!(self.text, "{:x}\r\n", message.len());
            self.text.extend_from_slice(&message);
            self.text.extend_from_slice(b"\r\n");
        }
        self.text.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.into_iter().flatten() {
            field(name.as_str(), value.as_bytes(), &mut self.text);
        }
        self.text.extend_from_slice(b"\r\n");
    }
}

/// Fills and takes, as [`tokio::io::AsyncRead::poll_read`] does.
pub(crate) fn poll_read(
    incoming: &mut Incoming,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    ready!(incoming.poll_fill(context)).map_err(broken)?;
    incoming.take(buffer);
    Poll::Ready(Ok(()))
}

/// Appends a field line.
pub(crate) fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
