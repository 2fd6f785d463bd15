//! Bodies on their way: from one side's bytes to the other's, within fixed buffers, in both directions.

use std::task::{Context, Poll, ready};

use crate::body::{BodyError, Decoder, Step, parse_trailers, write_chunk_start, write_last_chunk};
use crate::buffer::{Input, Output};
use crate::connection::request::Traits;
use crate::head::Framing;
use crate::limits::MIN_LOOSE;
use crate::policy::{Fault, Replay};
use crate::stream::{Stream, poll_write_both};

/// What a chunk adds to its data at most, with the last chunk: sizes, line ends.
const CHUNK_OVERHEAD: usize = 32;

/// A body on its way from one framing to another.
#[derive(Debug)]
pub(crate) struct Transfer {
    decoder: Decoder,
    to: Framing,
    state: State,
    /// Bytes of body at the front of the input that are to be written from where they are, after
    /// what is in the output.
    loose: usize,
    /// Bytes of body so far.
    pub(crate) bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    /// All of it has been decoded and appended to the output.
    Ended,
    /// It was found to be none. Where the next message would begin is not known, and reading on,
    /// or again, would make something up.
    Malformed(BodyError),
}

impl Transfer {
    pub(crate) fn new(from: Framing, to: Framing) -> Self {
        let mut transfer = Self {
            decoder: Decoder::new(from),
            to,
            state: State::Flowing,
            loose: 0,
            bytes: 0,
        };
        if transfer.decoder.is_done() {
            transfer.state = State::Ended;
        }
        transfer
    }

    /// Whether all of it has been decoded.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What of `input`, as it is after [`pass`](Self::pass), is to be written after the output.
    pub(crate) fn loose<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        &input[..self.loose]
    }

    /// Notes that `count` bytes of the [loose](Self::loose) ones are written. They are used up.
    pub(crate) fn wrote_loose(&mut self, count: usize) {
        self.loose -= count;
    }

    /// Forgets the [loose](Self::loose) bytes; returns how many there were.
    fn drop_loose(&mut self) -> usize {
        std::mem::take(&mut self.loose)
    }

    /// Moves what it can from `input` to `output`; returns how many bytes of input are used up. What
    /// is worth it stays in the input, [loose](Self::loose), and must be written before the next call.
    /// `keep` has a say about each trailer.
    pub(crate) fn pass(
        &mut self,
        input: &[u8],
        output: &mut Output,
        keep: impl Fn(&str) -> bool,
    ) -> Result<usize, BodyError> {
        self.check()?;
        let mut used = 0;
        while self.state == State::Flowing && self.loose == 0 {
            let room = output.room().saturating_sub(CHUNK_OVERHEAD);
            if room == 0 {
                break;
            }
            let rest = &input[used..];
            let step = self.step(rest, room)?;
            let data = &rest[step.data.clone()];
            self.bytes += data.len() as u64;
            if self.goes_loose(&step) {
                self.loose = data.len();
            } else {
                append(data, self.to, output);
                used += step.consumed;
            }
            if self.decoder.is_done() {
                self.end(output, &keep);
            } else if step.consumed == 0 {
                break;
            }
        }
        Ok(used)
    }

    /// The trailers, once it has ended.
    pub(crate) fn each_trailer(&self, mut each: impl FnMut(&str, &[u8])) {
        let trailers = self.decoder.trailers();
        if !trailers.is_empty() {
            // They were checked when they were decoded.
            let _ = parse_trailers(trailers, |field| each(field.name, field.value));
        }
    }

    /// Reads over what is in `input` without passing it on.
    pub(crate) fn skip(&mut self, input: &[u8]) -> Result<usize, BodyError> {
        self.check()?;
        let mut used = 0;
        while self.state == State::Flowing {
            let step = self.step(&input[used..], usize::MAX)?;
            used += step.consumed;
            if self.decoder.is_done() {
                self.state = State::Ended;
            } else if step.consumed == 0 {
                break;
            }
        }
        Ok(used)
    }

    /// The connection it comes from has ended.
    pub(crate) fn end_of_stream(&mut self, output: &mut Output) -> Result<(), BodyError> {
        self.decoder.end_of_stream()?;
        if self.state == State::Flowing {
            // Only chunks have trailers, and they have an end of their own.
            self.end(output, |_| true);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), BodyError> {
        match self.state {
            State::Malformed(error) => Err(error),
            State::Flowing | State::Ended => Ok(()),
        }
    }

    fn step(&mut self, input: &[u8], most: usize) -> Result<Step, BodyError> {
        let step = self.decoder.step(input, most);
        if let Err(error) = step {
            self.state = State::Malformed(error);
        }
        step
    }

    /// Whether what a step found needs nothing around it and is long enough to be left where it is.
    fn goes_loose(&self, step: &Step) -> bool {
        let unframed = matches!(self.to, Framing::Length(_) | Framing::UntilClose);
        unframed && step.data == (0..step.consumed) && step.consumed >= MIN_LOOSE
    }

    fn end(&mut self, output: &mut Output, keep: impl Fn(&str) -> bool) {
        self.state = State::Ended;
        if self.to == Framing::Chunked {
            write_last_chunk(output.buffer(), self.decoder.trailers(), keep);
        }
    }
}

fn append(data: &[u8], framing: Framing, output: &mut Output) {
    if data.is_empty() {
        return;
    }
    let out = output.buffer();
    match framing {
        Framing::Chunked => {
            write_chunk_start(out, data.len());
            out.extend_from_slice(data);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Length(_) | Framing::UntilClose => out.extend_from_slice(data),
        Framing::None => {}
    }
}

/// A request on its way to an instance. What came from the client stays in its buffer, the head
/// included, until the buffer is full: for as long, the request can be sent again.
pub(crate) struct Sending {
    transfer: Transfer,
    /// Where in the client's input the body goes on.
    position: usize,
    held: bool,
    /// To any instance, over all attempts.
    sent_any: bool,
    /// The same over those before.
    sent_before: bool,
    state: SendState,
    /// Bytes it may have.
    limit: u64,
}

/// How far a request has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendState {
    /// On its way.
    Flowing,
    /// All of it is written.
    Sent,
    /// The instance takes no more of it. It may have answered nevertheless.
    Broken,
}

impl Sending {
    pub(crate) fn new(traits: &Traits) -> Self {
        Self {
            transfer: Transfer::new(traits.framing, traits.framing),
            position: traits.head_length,
            limit: traits.body_limit,
            held: true,
            sent_any: false,
            sent_before: false,
            state: SendState::Flowing,
        }
    }

    /// Begins anew, for another attempt.
    pub(crate) fn start_over(&mut self, traits: &Traits) {
        let sent_any = self.sent_any;
        *self = Self {
            sent_any,
            sent_before: sent_any,
            ..Self::new(traits)
        };
    }

    /// How far it has got.
    pub(crate) fn state(&self) -> SendState {
        self.state
    }

    /// A head with no body after it has got so far by other means than [`poll`](Self::poll).
    pub(crate) fn note(&mut self, state: SendState) {
        self.sent_any = true;
        self.state = state;
    }

    /// The instance says that nothing of it has been worked on.
    pub(crate) fn was_not_taken(&mut self) {
        self.sent_any = self.sent_before;
    }

    /// Bytes of body so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.transfer.bytes
    }

    /// How many bytes in the client's input come after it.
    pub(crate) fn unused(&self, input: &Input) -> usize {
        input.len().saturating_sub(self.position)
    }

    /// Whether all of it has come from the client.
    pub(crate) fn is_received(&self) -> bool {
        self.transfer.has_ended()
    }

    /// Whether it could be sent again.
    pub(crate) fn replay(&self) -> Replay {
        match (self.held, self.sent_any) {
            (false, _) => Replay::Impossible,
            (true, false) => Replay::NotSent,
            (true, true) => Replay::Held,
        }
    }

    /// Goes on sending until all is written. Ready with an error only for the client's faults; that
    /// the instance takes no more shows in the state.
    pub(crate) fn poll<C: Stream, U: Stream>(
        &mut self,
        context: &mut Context<'_>,
        client: &mut C,
        input: &mut Input,
        upstream: &mut U,
        output: &mut Output,
        keep: impl Fn(&str) -> bool,
    ) -> Poll<Result<(), Fault>> {
        loop {
            let rest = input.data().get(self.position..).unwrap_or_default();
            let used = self.transfer.pass(rest, output, &keep);
            self.position += used.map_err(Fault::Body)?;
            if self.transfer.bytes > self.limit {
                return Poll::Ready(Err(Fault::BodyTooLarge));
            }
            let loose = self.unwritten(input);
            if !output.pending().is_empty() || !loose.is_empty() {
                match ready!(poll_write_both(upstream, context, output.pending(), loose)) {
                    Ok(written) => {
                        let of_input = output.wrote(written);
                        self.transfer.wrote_loose(of_input);
                        self.position += of_input;
                        self.sent_any = true;
                    }
                    Err(_) => {
                        self.state = SendState::Broken;
                        return Poll::Ready(Ok(()));
                    }
                }
            } else if self.transfer.has_ended() {
                self.state = SendState::Sent;
                return Poll::Ready(Ok(()));
            } else {
                ready!(self.poll_more(context, client, input))?;
            }
        }
    }

    /// What of the client's input is to be written as it is.
    pub(crate) fn unwritten<'i>(&self, input: &'i Input) -> &'i [u8] {
        let rest = input.data().get(self.position..).unwrap_or_default();
        self.transfer.loose(rest)
    }

    fn poll_more<C: Stream>(
        &mut self,
        context: &mut Context<'_>,
        client: &mut C,
        input: &mut Input,
    ) -> Poll<Result<(), Fault>> {
        if input.is_full() {
            self.release(input);
        }
        match ready!(input.poll_read(client, context)) {
            Ok(0) | Err(_) => Poll::Ready(Err(Fault::ClientGone)),
            Ok(_) => Poll::Ready(Ok(())),
        }
    }

    /// Lets go of what has been used; the request can no longer be sent again.
    pub(crate) fn release(&mut self, input: &mut Input) {
        input.consume(self.position);
        self.position = 0;
        self.held = false;
    }

    /// Nothing more of it is to be sent. What has been decoded is used up even if it was not
    /// written: taken for the next request, it would be one that the client has never made.
    pub(crate) fn abandon(&mut self) {
        self.position += self.transfer.drop_loose();
    }

    /// Reads over the part of the body that is there already, for an answer made here.
    pub(crate) fn skip(&mut self, input: &Input) -> Result<(), BodyError> {
        self.abandon();
        let rest = input.data().get(self.position..).unwrap_or_default();
        self.position += self.transfer.skip(rest)?;
        Ok(())
    }
}
