//! What carries one request, with a translator before it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::body::Decoder;
use crate::head::request::{Asks, HeaderSpace};
use crate::head::{RequestHead, ResponseHead};
use crate::http2::outgoing::poll_write_each;
use crate::limits::{BUFFER, MAX_HEADERS, MAX_TRANSLATED};
use crate::stream::{Stream, Watch, poll_read_into};
use crate::translate::{Asked, Translate};

#[cfg(test)]
#[path = "translated_tests.rs"]
mod tests;

/// Bytes of an answer that are read at once.
const PIECE: usize = 8 * 1024;

/// A stream whose request and answer are translated. The request is gathered whole before any of it is asked; the answer
/// is told as it comes, as far as its translator can.
pub(crate) struct Translated<S> {
    stream: S,
    translator: Box<dyn Translate>,
    request: Sending,
    answer: Receiving,
    /// What is told of the answer, and how much of that has been read.
    told: Vec<u8>,
    taken: usize,
    /// Who waits for an answer before all is asked.
    waiting: Option<Waker>,
}

/// How far the request has got.
enum Sending {
    /// So much of its head as has come.
    Head(Vec<u8>),
    Body {
        head: Vec<u8>,
        decoder: Decoder,
        /// None once it is too long.
        body: Option<Vec<u8>>,
    },
    /// It is on its way to the instance, up to there.
    Asked(Vec<u8>, usize),
    /// Nothing is left to send.
    Over,
}

/// How far the answer has.
enum Receiving {
    Head(Vec<u8>),
    Body(Decoder),
    Over,
}

impl<S: Stream> Translated<S> {
    pub(crate) fn new(stream: S, translator: Box<dyn Translate>) -> Self {
        Self {
            stream,
            translator,
            request: Sending::Head(Vec::new()),
            answer: Receiving::Head(Vec::new()),
            told: Vec::new(),
            taken: 0,
            waiting: None,
        }
    }

    /// What carries it.
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// The same, without the translator.
    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Gathers the request. Gives how many of `bytes` are of it.
    fn gather(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.request {
            Sending::Head(head) => {
                let known = head.len();
                head.extend_from_slice(bytes);
                let Some((length, decoder)) = read_request(head)? else {
                    let is_too_long = head.len() > BUFFER;
                    return match is_too_long {
                        true => Err(io::ErrorKind::InvalidData.into()),
                        false => Ok(bytes.len()),
                    };
                };
                let mut head = std::mem::take(head);
                head.truncate(length);
                let body = Some(Vec::new());
                self.request = Sending::Body {
                    head,
                    decoder,
                    body,
                };
                self.ask_if_whole();
                Ok(length - known)
            }
            Sending::Body { decoder, body, .. } => {
                let step = decoder.step(bytes, bytes.len());
                let step =
                    step.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                let data = bytes.get(step.data).unwrap_or_default();
                *body = body
                    .take()
                    .filter(|it| it.len() + data.len() <= MAX_TRANSLATED);
                if let Some(body) = body {
                    body.extend_from_slice(data);
                }
                self.ask_if_whole();
                Ok(step.consumed)
            }
            // Of what is too long, the rest: it is answered already.
            Sending::Asked(..) | Sending::Over => Ok(bytes.len()),
        }
    }

    fn ask_if_whole(&mut self) {
        let (head, body) = match &self.request {
            Sending::Body {
                head,
                decoder,
                body,
            } if decoder.is_done() => (head, body.as_deref()),
            // It is too long however it goes on, and who sends it need not wait to be told.
            Sending::Body {
                head, body: None, ..
            } => (head, None),
            _ => return,
        };
        let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        // It was read before.
        let Ok(Some((parsed, _))) = RequestHead::parse(head, &mut space) else {
            return;
        };
        self.request = match self.translator.request(&parsed, body) {
            Asked::Otherwise(request) => Sending::Asked(request, 0),
            Asked::Answered(answer) => {
                self.told = answer;
                self.answer = Receiving::Over;
                Sending::Over
            }
        };
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Waits until there is something of the answer, or no more will come.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.taken < self.told.len() {
                return Poll::Ready(Ok(()));
            }
            self.told.clear();
            self.taken = 0;
            if matches!(self.answer, Receiving::Over) {
                return Poll::Ready(Ok(()));
            }
            match &mut self.request {
                Sending::Head(_) | Sending::Body { .. } => {
                    self.waiting = Some(context.waker().clone());
                    return Poll::Pending;
                }
                Sending::Asked(request, sent) => {
                    let rest = request.get(*sent..).unwrap_or_default();
                    if rest.is_empty() {
                        self.request = Sending::Over;
                        continue;
                    }
                    // An answer may come before all is taken, and nobody would read it.
                    match Pin::new(&mut self.stream).poll_write(context, rest) {
                        Poll::Ready(Ok(count)) => {
                            *sent += count;
                            continue;
                        }
                        Poll::Ready(Err(_)) => self.request = Sending::Over,
                        Poll::Pending => {}
                    }
                }
                Sending::Over => {}
            }
            let mut piece = [0; PIECE];
            let count = ready!(poll_read_into(&mut self.stream, context, &mut piece))?;
            self.receive(piece.get(..count).unwrap_or_default())?;
        }
    }

    /// Takes some of the answer; nothing is its end.
    fn receive(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        if bytes.is_empty() {
            if let Receiving::Body(decoder) = &mut self.answer
                && decoder.end_of_stream().is_ok()
            {
                self.end(b"");
                return Ok(());
            }
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        while !bytes.is_empty() {
            match &mut self.answer {
                Receiving::Head(head) => {
                    head.extend_from_slice(bytes);
                    bytes = b"";
                    self.receive_head()?;
                }
                Receiving::Body(decoder) => {
                    let step = decoder.step(bytes, bytes.len()).map_err(invalid)?;
                    let data = bytes.get(step.data).unwrap_or_default();
                    self.translator.answer_data(data, &mut self.told);
                    bytes = bytes.get(step.consumed..).unwrap_or_default();
                    if decoder.is_done() {
                        let trailers = decoder.trailers().to_vec();
                        self.end(&trailers);
                    }
                }
                Receiving::Over => return Ok(()),
            }
        }
        Ok(())
    }

    fn receive_head(&mut self) -> io::Result<()> {
        let Receiving::Head(gathered) = &mut self.answer else {
            return Ok(());
        };
        let mut gathered = std::mem::take(gathered);
        let (length, decoder) = loop {
            let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            let parsed = ResponseHead::parse(&gathered, &mut space);
            let parsed =
                parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let Some((head, length)) = parsed else {
                let is_too_long = gathered.len() > BUFFER;
                self.answer = Receiving::Head(gathered);
                return match is_too_long {
                    true => Err(io::ErrorKind::InvalidData.into()),
                    false => Ok(()),
                };
            };
            // Nobody has asked for it as it was.
            if head.is_interim() {
                gathered.drain(..length);
                continue;
            }
            self.translator.answer(&head);
            break (length, Decoder::new(head.framing(Asks::Answer)));
        };
        let is_done = decoder.is_done();
        self.answer = Receiving::Body(decoder);
        if is_done {
            self.end(b"");
            return Ok(());
        }
        let rest = gathered.split_off(length);
        match rest.is_empty() {
            true => Ok(()),
            false => self.receive(&rest),
        }
    }

    fn end(&mut self, trailers: &[u8]) {
        self.translator.answer_end(trailers, &mut self.told);
        self.answer = Receiving::Over;
    }
}

/// Where a request's head ends, and what its body is like; none while it is not whole.
fn read_request(bytes: &[u8]) -> io::Result<Option<(usize, Decoder)>> {
    let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let parsed = RequestHead::parse(bytes, &mut space);
    let parsed = parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(parsed.map(|(head, length)| (length, Decoder::new(head.framing))))
}

impl<S: Stream> AsyncRead for Translated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_fill(context))?;
        let rest = self.told.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..count).unwrap_or_default());
        self.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Translated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.gather(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write_each(slices, |bytes| Poll::Ready(self.gather(bytes)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// A request has an end of its own.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> Stream for Translated<S> {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_fill(context)
    }

    fn is_stale(&self) -> bool {
        self.stream.is_stale()
    }

    fn looks_stale(&self) -> bool {
        self.stream.looks_stale()
    }

    fn watch(&self) -> Watch {
        self.stream.watch()
    }

    fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}
