//! One stream, as a connection that brings one request.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Method, Request};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::Answer;
use super::incoming::{self, Incoming};
use super::outgoing::{broken, poll_write_each};
use super::request;
use crate::head::request::Asks;
use crate::policy::Scheme;
use crate::stream::{Stream, Watch};

/// A stream of a client's connection.
pub(super) struct Http2Stream {
    incoming: Incoming,
    /// Shared with who watches for its reset.
    answer: Rc<RefCell<Answer>>,
    carrier: Carrier,
    given_up: Rc<Cell<usize>>,
}

/// What is known of the connection that it is of.
pub(super) struct Carrier {
    pub(super) scheme: Scheme,
    pub(super) identity: Option<Arc<str>>,
}

impl Http2Stream {
    pub(super) fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        carrier: Carrier,
        given_up: Rc<Cell<usize>>,
    ) -> Self {
        let asks = match *request.method() {
            Method::HEAD => Asks::Head,
            _ => Asks::Answer,
        };
        Self {
            incoming: request::incoming(request),
            answer: Rc::new(RefCell::new(Answer::new(respond, asks))),
            carrier,
            given_up,
        }
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        incoming::poll_read(&mut self.incoming, context, buffer)
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.answer.borrow_mut().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut answer = self.answer.borrow_mut();
        poll_write_each(slices, |bytes| answer.poll_write(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.answer.borrow_mut().end())
    }
}

impl Stream for Http2Stream {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.incoming.poll_fill(context).map_err(broken)
    }

    fn is_stale(&self) -> bool {
        false
    }

    fn looks_stale(&self) -> bool {
        false
    }

    fn watch(&self) -> Watch {
        let answer = self.answer.clone();
        Box::pin(poll_fn(move |context| {
            answer.borrow_mut().poll_reset(context)
        }))
    }

    fn reset_on_close(&self) {
        self.answer.borrow_mut().reset();
    }

    fn is_single(&self) -> bool {
        true
    }

    fn scheme(&self) -> Scheme {
        self.carrier.scheme
    }

    fn identity(&self, _: &dyn Fn(&CertificateDer<'_>) -> Option<Arc<str>>) -> Option<Arc<str>> {
        self.carrier.identity.clone()
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        let given_up = self.given_up.get();
        // Over a long life many are given up: it is those that outweigh the others.
        self.given_up.set(match self.answer.borrow().has_begun() {
            true => given_up.saturating_sub(1),
            false => given_up + 1,
        });
    }
}
