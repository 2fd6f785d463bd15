//! An answer's body on its way to the client through an encoder: in chunks, each as soon as there is no more to be had.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::Exchanging;
use crate::body::{Decoder, write_chunk_start, write_last_chunk};
use crate::encode::Encoder;
use crate::head::Framing;
use crate::limits::{ENCODE_TURN, MIN_FLUSHED};
use crate::policy::{Exchange, Fault, Policy};
use crate::stream::{Dial, Stream};
use crate::upstream::Upstream;

/// A body on its way through an encoder.
struct Encoding {
    decoder: Decoder,
    from: Framing,
    encoder: Box<dyn Encoder>,
    /// What the encoder has given, not framed yet.
    made: Vec<u8>,
    /// Bytes that the encoder has taken since it gave all that it had.
    kept: usize,
    /// Bytes of the encoded body.
    bytes: u64,
    has_ended: bool,
}

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Forwards the answer's body, encoded, and what is left of the request's.
    pub(super) async fn encode(
        &mut self,
        upstream: &mut Upstream<D::Stream>,
        from: Framing,
    ) -> Result<(), Fault> {
        let encoder = self.exchange.encoder();
        let encoder = encoder.ok_or(Fault::Answer("it could not be encoded"))?;
        let mut encoding = Encoding {
            decoder: Decoder::new(from),
            from,
            encoder,
            made: Vec::new(),
            kept: 0,
            bytes: 0,
            has_ended: false,
        };
        let mut armed = None;
        poll_fn(|context| {
            let before = encoding.bytes;
            let passed = self.poll_encoded(context, upstream, &mut encoding);
            self.exchange.answer_bytes = encoding.bytes;
            if let Poll::Ready(result) = passed {
                return Poll::Ready(result);
            }
            if let Poll::Ready(fault) = self.poll_request(context, upstream) {
                return Poll::Ready(Err(fault));
            }
            if let Poll::Ready(fault) = self.poll_idle_client(context) {
                return Poll::Ready(Err(fault));
            }
            let timeouts = self.connection.worker.timeouts();
            let unwritten = self.to_client.pending().len();
            let progress = (unwritten, self.sending.bytes(), self.unsent());
            if before != encoding.bytes || armed != Some(progress) {
                armed = Some(progress);
                let (demand, now) = (timeouts.of_answer(), self.connection.worker.now());
                let taken = encoding.bytes.saturating_sub(unwritten as u64);
                self.connection.deadline.set(match unwritten > 0 {
                    true => self.pace.wait(demand, taken, now),
                    false => {
                        self.pace.rest(demand, taken, now);
                        now + timeouts.stream_idle
                    }
                });
            }
            let late = self.connection.deadline.poll(context);
            late.map(|()| {
                Err(match unwritten > 0 {
                    true => Fault::ClientTooSlow,
                    false => Fault::Idle,
                })
            })
        })
        .await
    }

    fn poll_encoded(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut Upstream<D::Stream>,
        encoding: &mut Encoding,
    ) -> Poll<Result<(), Fault>> {
        let mut turn = ENCODE_TURN;
        loop {
            ready!(self.poll_flush(context))?;
            if encoding.has_ended {
                return Poll::Ready(Ok(()));
            }
            if turn == 0 {
                // Others have waited for their turn meanwhile.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let input = upstream.input.data();
            let consumed = encoding.take(input, &mut turn)?;
            upstream.input.consume(consumed);
            if encoding.decoder.is_done() {
                encoding.finish()?;
            } else if consumed == 0 {
                match upstream.poll_read(context) {
                    Poll::Ready(Ok(0)) => {
                        let ended = encoding.decoder.end_of_stream();
                        ended.map_err(|_| Fault::Broke)?;
                    }
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Fault::Broke)),
                    Poll::Pending if encoding.has_something() => encoding.flush()?,
                    Poll::Pending => return Poll::Pending,
                }
            }
            let keep = |name: &str| self.exchange.keeps_of_answer(name);
            encoding.frame(self.to_client.buffer(), keep);
        }
    }
}

/// That of an encoder which is in error: no client can make anything of what follows.
fn broken(_: std::io::Error) -> Fault {
    Fault::Answer("it could not be encoded")
}

impl Encoding {
    /// Takes what is there of the body, as far as there is room in the `turn`; how much of `input` is used up.
    fn take(&mut self, input: &[u8], turn: &mut usize) -> Result<usize, Fault> {
        let step = self.decoder.step(input, *turn);
        let step = step.map_err(|_| Fault::Answer("the body is malformed"))?;
        let data = &input[step.data];
        if !data.is_empty() {
            self.encoder.encode(data, &mut self.made).map_err(broken)?;
            self.kept += data.len();
            *turn = turn.saturating_sub(data.len());
        }
        Ok(step.consumed)
    }

    /// Whether something is kept that the client is to have while more is waited for.
    fn has_something(&self) -> bool {
        let least = match self.from {
            Framing::Length(_) => MIN_FLUSHED,
            Framing::None | Framing::Chunked | Framing::UntilClose => 1,
        };
        self.kept >= least
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.kept = 0;
        self.encoder.flush(&mut self.made).map_err(broken)
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.has_ended = true;
        self.encoder.finish(&mut self.made).map_err(broken)
    }

    /// Appends what was made as a chunk, and the last one where it has ended.
    fn frame(&mut self, out: &mut Vec<u8>, keep: impl Fn(&str) -> bool) {
        write_chunk(&self.made, out);
        self.bytes += self.made.len() as u64;
        self.made.clear();
        if self.has_ended {
            write_last_chunk(out, self.decoder.trailers(), keep);
        }
    }
}

/// Appends a chunk with these bytes; none where there are none, as that would be the last.
pub(super) fn write_chunk(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    write_chunk_start(out, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
