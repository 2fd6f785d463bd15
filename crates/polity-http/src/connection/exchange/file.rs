//! An answer that was looked for here, and a file sent as its body.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, timeout};

use super::encode::write_chunk;
use super::{Exchanging, connection_option};
use crate::body::write_last_chunk;
use crate::buffer::Output;
use crate::connection::After;
use crate::connection::answer::write_head;
use crate::file::{Fetching, FileBody, Piece};
use crate::head::request::Asks;
use crate::limits::{BUFFER, ENCODE_TURN, FILE_TURN, MIN_SENT_FILE};
use crate::policy::{Exchange, Fault, Found, Next, Policy, Replay};
use crate::stream::{Dial, Stream, poll_write_from};

/// A file on its way to the client.
struct Sending {
    body: FileBody,
    /// What a thread that may block is at.
    fetching: Option<Fetching>,
    /// It is read here, as it cannot be sent from where it is.
    is_copied: bool,
    /// Bytes of body that have been sent or are in the output.
    taken: u64,
    /// Bytes that were worked on since the connection's turn began.
    worked: u64,
    /// What was read to be encoded, and what came of it.
    raw: Vec<u8>,
    made: Vec<u8>,
}

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Gives the answer that `finding` comes to.
    pub(super) async fn answer_found(
        &mut self,
        finding: Pin<Box<dyn Future<Output = Found>>>,
    ) -> (After, Option<Fault>) {
        let found = match self.find(finding).await {
            Ok(found) => found,
            Err(Fault::ClientGone) => return (After::Close, Some(Fault::ClientGone)),
            Err(fault) => match self.exchange.failed(&fault, Replay::NotSent) {
                Next::Give(answer) => return (self.answer(&answer).await, Some(fault)),
                Next::Again(_) => return (After::Close, Some(fault)),
            },
        };
        let Some(body) = found.file else {
            return (self.answer(&found.answer).await, None);
        };
        let keeps_alive = self.keeps_alive_here();
        let option = connection_option(keeps_alive, self.traits.version);
        write_head(
            &found.answer,
            body.encoder.is_none().then(|| body.length()),
            option,
            self.to_client.buffer(),
        );
        self.exchange.status = Some(found.answer.status);
        let sent = match self.traits.asks {
            Asks::Head => match self.connection.flush(&mut self.to_client).await {
                true => Ok(()),
                false => Err(Fault::ClientGone),
            },
            Asks::Answer | Asks::Upgrade => self.send_file(body).await,
        };
        match sent {
            Ok(()) if keeps_alive => (After::KeepAlive, None),
            Ok(()) => (After::Linger, None),
            Err(Fault::ClientGone) => (After::Close, Some(Fault::ClientGone)),
            // The client must not take what it got for the whole.
            Err(fault) => (After::Reset, Some(fault)),
        }
    }

    async fn find(
        &mut self,
        finding: Pin<Box<dyn Future<Output = Found>>>,
    ) -> Result<Found, Fault> {
        match self.exchange.time_to_answer() {
            None => self.unless_gone(finding).await,
            Some(time) => match self.unless_gone(timeout(time, finding)).await? {
                Ok(found) => Ok(found),
                Err(_) => Err(Fault::Deadline),
            },
        }
    }

    /// Sends the head, which is in the output, and the body.
    async fn send_file(&mut self, body: FileBody) -> Result<(), Fault> {
        let mut sending = Sending {
            body,
            fetching: None,
            is_copied: false,
            taken: 0,
            worked: 0,
            raw: Vec::new(),
            made: Vec::new(),
        };
        let mut armed = None;
        poll_fn(|context| {
            sending.worked = 0;
            let sent = self.poll_send_file(context, &mut sending);
            let unwritten = self.to_client.pending().len() as u64;
            self.exchange.answer_bytes = sending.taken;
            if let Poll::Ready(result) = sent {
                return Poll::Ready(result);
            }
            if self.sending.is_received()
                && let Poll::Ready(fault) = self.poll_client(context)
            {
                return Poll::Ready(Err(fault));
            }
            let timeouts = self.connection.worker.timeouts();
            let progress = (sending.taken, unwritten);
            if armed.replace(progress) != Some(progress) {
                let (demand, now) = (timeouts.of_answer(), Instant::now());
                let taken = sending.taken.saturating_sub(unwritten);
                self.connection.deadline.set(match sending.fetching {
                    None => self.pace.wait(demand, taken, now),
                    Some(_) => {
                        self.pace.rest(demand, taken, now);
                        now + timeouts.stream_idle
                    }
                });
            }
            self.connection
                .deadline
                .poll(context)
                .map(|()| match sending.fetching {
                    None => Err(Fault::ClientTooSlow),
                    Some(_) => Err(Fault::Idle),
                })
        })
        .await
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        sending: &mut Sending,
    ) -> Poll<Result<(), Fault>> {
        loop {
            if sending.worked >= sending.turn() {
                // Others have waited for their turn meanwhile.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let client = &mut self.connection.stream;
            let mut waits = false;
            while !waits
                && sending.worked < sending.turn()
                && self.to_client.pending().len() < BUFFER
                && !sending.is_to_be_sent(client)
            {
                match sending.poll_take(context, &mut self.to_client) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) => break,
                    Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                    Poll::Pending => waits = true,
                }
            }
            while !self.to_client.pending().is_empty() {
                match ready!(poll_write_from(client, context, self.to_client.pending())) {
                    Ok(written) => drop(self.to_client.wrote(written)),
                    Err(_) => return Poll::Ready(Err(Fault::ClientGone)),
                }
            }
            if waits {
                return Poll::Pending;
            }
            if sending.is_done() {
                return Poll::Ready(Ok(()));
            }
            if sending.is_to_be_sent(client) {
                ready!(sending.poll_send(context, client))?;
            }
        }
    }
}

impl Sending {
    /// Bytes after which others have their turn.
    fn turn(&self) -> u64 {
        match self.body.encoder {
            Some(_) => ENCODE_TURN as u64,
            None => FILE_TURN,
        }
    }

    /// Whether all of it is in the output or beyond.
    fn is_done(&self) -> bool {
        self.body.pieces.is_empty() && self.body.encoder.is_none()
    }

    /// Whether the next piece is worth sending from where it is.
    fn is_to_be_sent<S: Stream>(&self, client: &S) -> bool {
        match self.body.pieces.front() {
            Some(Piece::Range(range)) => {
                let length = range.end.saturating_sub(range.start);
                let as_it_is = !self.is_copied && self.body.encoder.is_none();
                length >= MIN_SENT_FILE && as_it_is && client.takes_files()
            }
            _ => false,
        }
    }

    /// Appends some of the next piece. False where there is none, or no room.
    fn poll_take(
        &mut self,
        context: &mut Context<'_>,
        output: &mut Output,
    ) -> Poll<Result<bool, Fault>> {
        let range = match self.body.pieces.front() {
            None => return Poll::Ready(self.finish(output)),
            Some(Piece::Bytes(bytes)) => {
                output.buffer().extend_from_slice(bytes);
                self.taken += bytes.len() as u64;
                self.worked += bytes.len() as u64;
                self.body.pieces.pop_front();
                return Poll::Ready(Ok(true));
            }
            Some(Piece::Range(range)) => range.clone(),
        };
        let left = range.end.saturating_sub(range.start);
        let room = match self.body.encoder {
            // What comes of it may be a little more.
            Some(_) if output.room() < 2 * ENCODE_TURN => 0,
            Some(_) => ENCODE_TURN,
            None => output.room().min(BUFFER),
        };
        let count = usize::try_from(left).map_or(room, |left| left.min(room));
        if left == 0 {
            self.body.pieces.pop_front();
            return Poll::Ready(Ok(true));
        }
        if count == 0 {
            // What is in the output has to go first.
            return Poll::Ready(Ok(false));
        }
        let read = match &mut self.fetching {
            Some(_) => {
                let bytes = ready!(self.poll_fetched(context))?;
                self.target(output).extend_from_slice(&bytes);
                bytes.len()
            }
            None => match self.read_now(range.start, count, output) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.fetching = Some(self.body.fetch(range.start, count));
                    return Poll::Ready(Ok(true));
                }
                Err(_) => return Poll::Ready(Err(Fault::Broke)),
            },
        };
        self.advance(read)?;
        Poll::Ready(self.encode(output).map(|()| true))
    }

    fn target<'o>(&'o mut self, output: &'o mut Output) -> &'o mut Vec<u8> {
        match self.body.encoder {
            Some(_) => &mut self.raw,
            None => output.buffer(),
        }
    }

    fn read_now(
        &mut self,
        offset: u64,
        count: usize,
        output: &mut Output,
    ) -> std::io::Result<usize> {
        match self.body.encoder {
            Some(_) => self.body.read_now(offset, count, &mut self.raw),
            None => self.body.read_now(offset, count, output.buffer()),
        }
    }

    /// Appends what comes of what was read, where it is encoded.
    fn encode(&mut self, output: &mut Output) -> Result<(), Fault> {
        let Some(encoder) = &mut self.body.encoder else {
            return Ok(());
        };
        let encoded = encoder.encode(&self.raw, &mut self.made);
        encoded.map_err(|_| Fault::Broke)?;
        self.raw.clear();
        self.frame(output);
        Ok(())
    }

    /// Appends the end of what is encoded. False where there is nothing more to append.
    fn finish(&mut self, output: &mut Output) -> Result<bool, Fault> {
        let Some(mut encoder) = self.body.encoder.take() else {
            return Ok(false);
        };
        let finished = encoder.finish(&mut self.made);
        finished.map_err(|_| Fault::Broke)?;
        self.frame(output);
        write_last_chunk(output.buffer(), &[], |_| true);
        Ok(true)
    }

    fn frame(&mut self, output: &mut Output) {
        write_chunk(&self.made, output.buffer());
        self.taken += self.made.len() as u64;
        self.made.clear();
    }

    /// Sends some of the next piece, which is a range.
    fn poll_send<S: Stream>(
        &mut self,
        context: &mut Context<'_>,
        client: &mut S,
    ) -> Poll<Result<(), Fault>> {
        let Some(Piece::Range(range)) = self.body.pieces.front() else {
            return Poll::Ready(Ok(()));
        };
        let range = range.clone();
        if self.fetching.is_some() {
            ready!(self.poll_fetched(context))?;
        }
        let count = match self
            .body
            .ready_to_send(range.start, range.end - range.start)
        {
            Ok(count) => count,
            Err(fetching) => {
                self.fetching = Some(fetching);
                return Poll::Ready(Ok(()));
            }
        };
        let sent = client.poll_send_file(context, self.body.file(), range.start, count);
        Poll::Ready(match ready!(sent) {
            Ok(sent) => self.advance(sent),
            Err(error) => match error.kind() {
                // Not every file system has a way to do so.
                ErrorKind::InvalidInput | ErrorKind::Unsupported => {
                    self.is_copied = true;
                    Ok(())
                }
                ErrorKind::BrokenPipe
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::TimedOut => Err(Fault::ClientGone),
                _ => Err(Fault::Broke),
            },
        })
    }

    fn poll_fetched(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, Fault>> {
        let Some(fetching) = &mut self.fetching else {
            return Poll::Ready(Ok(Vec::new()));
        };
        let fetched = ready!(Pin::new(fetching).poll(context));
        self.fetching = None;
        Poll::Ready(match fetched {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) | Err(_) => Err(Fault::Broke),
        })
    }

    /// So many bytes of the next piece have been taken; none, where the file has become shorter.
    fn advance(&mut self, count: usize) -> Result<(), Fault> {
        let Some(Piece::Range(range)) = self.body.pieces.front_mut() else {
            return Ok(());
        };
        if count == 0 && !range.is_empty() {
            return Err(Fault::Broke);
        }
        range.start += count as u64;
        self.worked += count as u64;
        if self.body.encoder.is_none() {
            self.taken += count as u64;
        }
        if range.is_empty() {
            self.body.pieces.pop_front();
        }
        Ok(())
    }
}
