//! One stream, as a connection that carries one request.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::{Method, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::answer::{self, Change, Follows};
use super::connection::{Place, Shared};
use super::request::{self, Web};
use crate::body::Decoder;
use crate::head::request::{Asks, HeaderSpace};
use crate::head::{HeadError, RequestHead};
use crate::http2::incoming::{BodyFraming, Incoming};
use crate::http2::outgoing::{Content, Outgoing, broken, poll_write_each};
use crate::http2::web::WebForm;
use crate::limits::{BUFFER, MAX_HEADERS};
use crate::policy::Fault;
use crate::stream::{Stream, Watch};
use crate::upstream::Origin;

/// A stream of a shared connection. Dropping it before its answer has ended resets it, and no other.
pub(crate) struct Http2Stream {
    request: Sending,
    answer: Receiving,
    /// A change of protocol that was asked for.
    change: Option<Change>,
    /// Where the request is of gRPC-Web.
    web: Option<Web>,
    asks: Asks,
    /// What has gone wrong, where more is known than that it has.
    fault: Option<Fault>,
    // Last: the connection has one stream less when the rest is gone.
    place: Place,
}

/// How far the request has got.
enum Sending {
    /// So much of its head as has come.
    Head(Vec<u8>),
    Body(Outgoing),
    Ended,
}

/// How far the answer has.
enum Receiving {
    /// The request has not been sent. Who waits nevertheless.
    NotYet(Option<Waker>),
    /// Interim ones may come before it.
    Head {
        answer: ResponseFuture,
        interim: Vec<u8>,
    },
    Body(Incoming),
    /// There is none.
    Failed,
}

impl Http2Stream {
    pub(super) fn new(connection: &Rc<Shared>) -> Self {
        Self {
            request: Sending::Head(Vec::new()),
            answer: Receiving::NotYet(None),
            change: None,
            web: None,
            asks: Asks::Answer,
            fault: None,
            place: Place::take(connection),
        }
    }

    /// Whether its connection is new.
    pub(crate) fn origin(&self) -> Origin {
        self.place.origin()
    }

    /// What has gone wrong, where more is known than that it has.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.clone()
    }

    /// Waits for the end of an answer of which all has been read, for `patience` at most: an instance that
    /// tells it late would else be told that nobody wants the answer.
    pub(crate) fn finish(mut self: Box<Self>, patience: Duration) {
        let is_over = |stream: &Self| match &stream.answer {
            Receiving::Body(body) => body.is_over(),
            _ => true,
        };
        let mut look = Context::from_waker(Waker::noop());
        let _ = self.poll_fill(&mut look);
        if !is_over(&self) {
            tokio::task::spawn_local(timeout(patience, async move {
                poll_fn(|context| self.poll_fill(context)).await
            }));
        }
    }

    /// Gathers a head, and sends it once it is whole. Gives how many of `bytes` are of it.
    fn take_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Sending::Head(gathered) = &mut self.request else {
            return Ok(0);
        };
        let known = gathered.len();
        gathered.extend_from_slice(bytes);
        let mut head = std::mem::take(gathered);
        let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let parsed = RequestHead::parse(&head, &mut space);
        let parsed = parsed.map_err(|error| self.unfit(error))?;
        if let Some((parsed, length)) = parsed {
            self.send(&parsed)?;
            return Ok(length - known);
        }
        if head.len() > BUFFER {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.shrink_to_fit();
        self.request = Sending::Head(head);
        Ok(bytes.len())
    }

    fn send(&mut self, head: &RequestHead<'_>) -> io::Result<()> {
        let mut requests = self.place.requests();
        self.asks = head.asks();
        if let Some(protocol) = head.upgrade {
            if !requests.is_extended_connect_protocol_enabled() {
                self.fault = Some(Fault::Answer("it takes no other protocol over HTTP/2"));
                return Err(io::ErrorKind::Unsupported.into());
            }
            self.change = Some(Change {
                protocol: protocol.to_owned(),
                key: head.header("sec-websocket-key").map(<[u8]>::to_vec),
            });
        }
        let unfit = HeadError::Malformed("it cannot be put into HTTP/2");
        self.web = Web::of(head);
        let request = request::convert(head, self.web.as_ref()).map_err(|_| self.unfit(unfit))?;
        let is_tunnel = *request.method() == Method::CONNECT;
        let body = Decoder::new(head.framing);
        let is_over = body.is_done() && !is_tunnel;
        let sent = requests.send_request(request, is_over);
        // What was not sent was not taken.
        let refused = |_: &h2::Error| self.fault = Some(Fault::Refused);
        let (answer, stream) = sent.inspect_err(refused).map_err(broken)?;
        self.request = match (is_tunnel, is_over) {
            (true, _) => Sending::Body(Outgoing::new(stream, Content::Tunnel)),
            (false, true) => Sending::Ended,
            (false, false) => {
                let body = Outgoing::new(stream, Content::Body(body));
                Sending::Body(match &self.web {
                    Some(web) if web.form == WebForm::Text => body.out_of_base64(),
                    _ => body,
                })
            }
        };
        self.receive(Receiving::Head {
            answer,
            interim: Vec::new(),
        });
        Ok(())
    }

    fn unfit(&mut self, error: HeadError) -> io::Error {
        self.fault = Some(Fault::Head(error));
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }

    /// What is to be received has changed: who waits has to look again.
    fn receive(&mut self, next: Receiving) {
        if let Receiving::NotYet(Some(waiting)) = std::mem::replace(&mut self.answer, next) {
            waiting.wake();
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.request {
            Sending::Head(_) => {
                let taken = self.take_head(bytes);
                if taken.is_err() {
                    self.request = Sending::Ended;
                    self.receive(Receiving::Failed);
                }
                Poll::Ready(taken)
            }
            Sending::Body(body) => {
                let taken = ready!(body.poll_write(context, bytes))?;
                if body.is_done() {
                    self.request = Sending::Ended;
                }
                Poll::Ready(Ok(taken))
            }
            Sending::Ended => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Waits until there is something of the answer, or no more will come.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.answer {
                Receiving::NotYet(waiting) => {
                    *waiting = Some(context.waker().clone());
                    return Poll::Pending;
                }
                Receiving::Failed => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                Receiving::Head { interim, .. } if !interim.is_empty() => {
                    return Poll::Ready(Ok(()));
                }
                Receiving::Head { answer, interim } => {
                    if let Poll::Ready(Some(Ok(head))) = answer.poll_informational(context) {
                        *interim = answer::interim(head.status(), head.headers())?;
                        continue;
                    }
                    let answer = ready!(Pin::new(answer).poll(context));
                    let answer = answer.map_err(|error| self.failed(error))?;
                    self.answer = Receiving::Body(self.body(answer)?);
                }
                Receiving::Body(body) => {
                    let filled = ready!(body.poll_fill(context));
                    let is_over = body.is_over();
                    filled.map_err(broken)?;
                    return match is_over && self.change.is_none() {
                        true => self.poll_end(context),
                        false => Poll::Ready(Ok(())),
                    };
                }
            }
        }
    }

    /// The answer has ended; that the request may go on, the instance has not denied yet.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Sending::Body(body) = &mut self.request {
            ready!(body.poll_reset(context));
        }
        Poll::Ready(Ok(()))
    }

    fn failed(&mut self, error: h2::Error) -> io::Error {
        // RFC 9113, sections 6.8 and 8.7: by either, the instance says that it has done nothing.
        let is_unprocessed = error.is_go_away()
            || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        if is_unprocessed && error.is_remote() {
            self.fault = Some(Fault::Refused);
        }
        self.answer = Receiving::Failed;
        broken(error)
    }

    fn body(&mut self, answer: Response<RecvStream>) -> io::Result<Incoming> {
        let (mut head, body) = answer.into_parts();
        if let Some(change) = &self.change
            && head.status.is_success()
        {
            let head = answer::changed(change, &head.headers);
            return Ok(Incoming::new(head, BodyFraming::Plain, body));
        }
        self.change = None;
        let follows = match body.is_end_stream() {
            true => Follows::Nothing,
            false => Follows::Something,
        };
        let web = self.web.as_ref().filter(|_| answer::is_grpc(&head.headers));
        if let Some(web) = web {
            answer::put_into_web(&mut head.headers, web.form);
        }
        let (head, framing) = answer::head(head.status, &head.headers, self.asks, follows)?;
        let form = web.map(|web| web.form);
        Ok(Incoming::new(head, framing, body)
            .for_web(form.filter(|_| framing == BodyFraming::Chunked)))
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_fill(context))?;
        match &mut self.answer {
            Receiving::Head { interim, .. } => {
                let count = interim.len().min(buffer.remaining());
                buffer.put_slice(&interim[..count]);
                interim.drain(..count);
            }
            Receiving::Body(body) => body.take(buffer),
            Receiving::NotYet(_) | Receiving::Failed => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write_each(slices, |bytes| self.poll_send(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Sending::Body(body) = &mut self.request
            && body.end()?
        {
            self.request = Sending::Ended;
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream for Http2Stream {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_fill(context)
    }

    fn is_stale(&self) -> bool {
        false
    }

    fn looks_stale(&self) -> bool {
        false
    }

    /// What breaks shows as soon as it is read.
    fn watch(&self) -> Watch {
        Box::pin(std::future::pending())
    }

    fn reset_on_close(&self) {}
}
