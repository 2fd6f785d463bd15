//! The head of an answer: taken as soon as it is whole, or held back while the answer could still be had elsewhere.

use super::exchange::{Exchanging, connection_option};
use super::request::Traits;
use crate::head::request::{Asks, HeaderSpace};
use crate::head::{AnswerFraming, Framing, HeadError, ResponseHead, Version, write_answer_head};
use crate::limits::{BUFFER, MAX_HEAD, MAX_HEADERS, MAX_INTERIM_ANSWERS};
use crate::policy::{Exchange, Fault, Policy, Replay};
use crate::stream::{Dial, Stream};
use crate::upstream::Upstream;

const TOO_LARGE: Fault = Fault::Answer("its head is too large");

/// The answer is a 101 to a request that did not ask for one.
pub(super) const UNASKED: Fault = Fault::Answer("it changes the protocol unasked");

/// What of an answer's head is needed once it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerHead {
    pub(super) status: u16,
    /// The body's framing as it comes.
    pub(super) from: Framing,
    /// The body's framing as it goes on.
    pub(super) to: Framing,
    /// Whether the instance's connection can carry another request, the framing permitting.
    pub(super) reusable: bool,
    /// Whether the instance goes on to read a request that it has answered early.
    pub(super) takes_rest: bool,
    /// Whether the client's can.
    pub(super) keeps_alive: bool,
    /// Whether the body is encoded on its way.
    pub(super) encoded: bool,
}

/// What has come so far while an answer is awaited.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    interim: usize,
    gathering: Gathering,
    /// Bytes of the instance's input that are known to be less than a head.
    searched: usize,
}

/// A small answer is held until it is whole. An instance that dies in its middle then costs
/// nothing: not a byte of it is forwarded, and the request is made again. The price is that its
/// first byte waits for its last, which lie in the same packets but for a server that dawdles:
/// for such a one the wait is bounded by [`crate::limits::Timeouts::gather`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Gathering {
    #[default]
    NotYet,
    /// Until so many bytes are there.
    Until(usize),
    Over,
}

impl Waiting {
    /// Whether an interim answer has come.
    pub(super) fn has_answered(&self) -> bool {
        self.interim > 0
    }

    /// Counts one, unless it is one too many.
    pub(super) fn note_interim(&mut self) -> Result<(), Fault> {
        self.interim += 1;
        match self.interim > MAX_INTERIM_ANSWERS {
            true => Err(Fault::Answer("too many interim answers")),
            false => Ok(()),
        }
    }

    /// Whether more may be taken of `input` than the last time: of a head after each line, which
    /// shows at once what is malformed, and of an answer that is gathered once it is whole. An
    /// instance whose answer comes byte by byte would else have its head parsed as often.
    pub(super) fn is_due(&self, input: &[u8]) -> bool {
        if let Gathering::Until(length) = self.gathering {
            return input.len() >= length;
        }
        let fresh = input.get(self.searched..).unwrap_or_default();
        self.searched == 0 || fresh.contains(&b'\n') || input.len() >= MAX_HEAD
    }

    /// The head at the front of `input`, and its length; none while it is not whole.
    #[inline]
    pub(super) fn parse<'a>(
        &mut self,
        input: &'a [u8],
        space: &'a mut HeaderSpace<'a>,
    ) -> Result<Option<(ResponseHead<'a>, usize)>, Fault> {
        let parsed = ResponseHead::parse(input, space).map_err(malformed)?;
        match parsed {
            // A head that comes all at once is no larger than one that comes in pieces may be.
            Some((_, length)) if length > MAX_HEAD => return Err(TOO_LARGE),
            None if input.len() >= MAX_HEAD => return Err(TOO_LARGE),
            None => self.searched = input.len(),
            Some(_) => {}
        }
        Ok(parsed)
    }
}

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Takes what answers are whole in the instance's input; the final one ends it.
    pub(super) fn take_answer(
        &mut self,
        upstream: &mut Upstream<D::Stream>,
        waiting: &mut Waiting,
    ) -> Result<Option<AnswerHead>, Fault> {
        loop {
            let input = upstream.input.data();
            let mut space: HeaderSpace<'_> =
                [const { std::mem::MaybeUninit::uninit() }; MAX_HEADERS];
            let Some((head, length)) = waiting.parse(input, &mut space)? else {
                return Ok(None);
            };
            if head.is_interim() {
                self.interim(&head, waiting)?;
                upstream.input.consume(length);
                continue;
            }
            if head.status == 101 && self.traits.asks != Asks::Upgrade {
                return Err(UNASKED);
            }
            // Asked once: a head that is looked at again is of an answer that is gathered.
            if waiting.gathering == Gathering::NotYet
                && !self.exchange.accepts(&head, self.sending.replay())
            {
                return Err(Fault::Unwanted);
            }
            let from = head.framing(self.traits.asks);
            if self.waits_for_more(from, length, input.len(), waiting) {
                return Ok(None);
            }
            let answer = self.write_head(&head, from);
            upstream.input.consume(length);
            return Ok(Some(answer));
        }
    }

    /// The deadline has passed: if it was that of gathering, the answer goes on as it is.
    pub(super) fn give_up_gathering(
        &mut self,
        upstream: &mut Upstream<D::Stream>,
        waiting: &mut Waiting,
    ) -> Result<Option<AnswerHead>, Fault> {
        if !matches!(waiting.gathering, Gathering::Until(_)) {
            return Ok(None);
        }
        waiting.gathering = Gathering::Over;
        self.take_answer(upstream, waiting)
    }

    fn waits_for_more(
        &mut self,
        from: Framing,
        head_length: usize,
        available: usize,
        waiting: &mut Waiting,
    ) -> bool {
        let Framing::Length(length) = from else {
            return false;
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let length = head_length.saturating_add(length);
        let (small, whole) = (length <= BUFFER, available >= length);
        let again = self.sending.replay() != Replay::Impossible && self.sending.is_received();
        if !small || whole || !again || waiting.gathering == Gathering::Over {
            return false;
        }
        if waiting.gathering == Gathering::NotYet {
            waiting.gathering = Gathering::Until(length);
            let patience = self.connection.worker.timeouts().gather;
            self.connection.deadline.set_after(patience);
        }
        true
    }

    /// Interim answers go on at once, to clients that know them.
    pub(super) fn interim(
        &mut self,
        head: &ResponseHead<'_>,
        waiting: &mut Waiting,
    ) -> Result<(), Fault> {
        waiting.note_interim()?;
        let repeated = head.status == 100 && self.permitted;
        if head.status == 100 {
            self.permitted = true;
            // From now on it is the client who is waited for.
            self.arm_for_sending();
        }
        if self.traits.version == Version::Http11 && !repeated {
            let framing = AnswerFraming::Body(Framing::None);
            let keep = |name: &str| self.exchange.keeps_of_answer(name);
            write_answer_head(head, framing, None, self.to_client.buffer(), keep, |_| {});
        }
        Ok(())
    }

    fn write_head(&mut self, head: &ResponseHead<'_>, from: Framing) -> AnswerHead {
        let Traits { version, asks, .. } = self.traits;
        // Where chunks cannot be sent, only the connection's end would tell that of the encoded body.
        let encoded = version == Version::Http11 && self.exchange.encodes(head);
        let to = match (from, version) {
            (Framing::Length(_), Version::Http11) if encoded => Framing::Chunked,
            (Framing::Chunked | Framing::UntilClose, Version::Http11) => Framing::Chunked,
            (Framing::Chunked | Framing::UntilClose, Version::Http10) => Framing::UntilClose,
            (known, _) => known,
        };
        let reusable = head.keeps_alive() && from != Framing::UntilClose;
        // An error before the request has ended is most likely meant to keep the rest from being
        // sent, and whether a client still sends what it was not permitted to is its own choice.
        let takes_rest = reusable && head.status < 400 && !self.awaits_permission();
        let keeps_alive = self.traits.keeps_alive
            && self.traits.may_go_on
            && to != Framing::UntilClose
            && (takes_rest || self.sending.is_received())
            && !self.connection.member.is_closing();
        let framing = match (from, head.declared_length()) {
            // RFC 9110, section 8.6: a 204 has no length to tell.
            (Framing::None, Some(length))
                if head.status != 204 && !encoded && (asks == Asks::Head || head.status == 304) =>
            {
                AnswerFraming::Told(length)
            }
            _ => AnswerFraming::Body(to),
        };
        let option = match head.status {
            101 => Some("upgrade"),
            _ => connection_option(keeps_alive, version),
        };
        let now = self.connection.worker.now().into_std();
        self.exchange.answered(head, now);
        self.final_head = Some(self.to_client.buffer().len());
        let keep = |name: &str| self.exchange.keeps_of_answer(name);
        let extra = |out: &mut Vec<u8>| self.exchange.write_fields_of_answer(out);
        let out = self.to_client.buffer();
        write_answer_head(head, framing, option, out, keep, extra);
        AnswerHead {
            status: head.status,
            from,
            to,
            reusable,
            takes_rest,
            keeps_alive,
            encoded: encoded && from != Framing::None,
        }
    }
}

fn malformed(error: HeadError) -> Fault {
    match error {
        HeadError::Malformed(what) => Fault::Answer(what),
        HeadError::TooManyHeaders => Fault::Answer("too many header fields"),
        HeadError::Version => Fault::Answer("the HTTP version is not 1.0 or 1.1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often `answer` is looked at when it comes byte by byte, and nothing can be taken of it.
    fn looks(waiting: &mut Waiting, answer: &[u8]) -> usize {
        let due = |length: &usize| {
            let due = waiting.is_due(&answer[..*length]);
            if due {
                waiting.searched = *length;
            }
            due
        };
        (1..=answer.len()).filter(due).count()
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_parsed_line_by_line() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nserver: a\r\n\r\n";
        // At the first byte, and at each end of a line.
        assert_eq!(looks(&mut Waiting::default(), head), 5);
        // Nor does one that has no lines get past the most that a head may have.
        let mut endless = Waiting::default();
        assert_eq!(looks(&mut endless, &[b'a'; MAX_HEAD]), 2);
    }

    #[test]
    fn an_answer_that_is_gathered_byte_by_byte_is_looked_at_when_it_is_whole() {
        let mut waiting = Waiting {
            gathering: Gathering::Until(1000),
            ..Waiting::default()
        };
        assert_eq!(looks(&mut waiting, &[b'\n'; 999]), 0);
        assert!(waiting.is_due(&[b'\n'; 1000]));
    }
}
