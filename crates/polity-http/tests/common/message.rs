//! What a message means, whoever has read it: the terms in which two readers are compared.

use std::fmt;
use std::mem::MaybeUninit;

use polity_http::body::Decoder;
use polity_http::head::request::{Asks, HeaderSpace};
use polity_http::head::{Framing, Header, RequestHead, ResponseHead, Version};
use polity_http::limits::{MAX_HEAD, MAX_HEADERS, MAX_INTERIM_ANSWERS};

use crate::corpus::escape;

/// A field; the name in lower case.
pub(crate) type Field = (String, Vec<u8>);

/// What a message means.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: Start,
    pub(crate) is_11: bool,
    /// By name; those of one name in their order.
    pub(crate) fields: Vec<Field>,
    /// As far as it came.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<Field>,
    pub(crate) end: End,
}

/// The first line, and what it stands for together with `Host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Request {
        method: String,
        authority: String,
        target: String,
    },
    Answer {
        status: u16,
    },
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it is there.
    Whole,
    /// More of it would have to come.
    Cut,
    /// Its body is none.
    Refused,
}

/// Messages one after the other on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) messages: Vec<Message>,
    /// Why no further one follows.
    pub(crate) stop: Stop,
    /// How many bytes are of `messages`, and of interim answers before them.
    pub(crate) used: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytes have ended, or end within a message.
    Ended,
    /// The last message is the last of its connection.
    Closes,
    /// What follows is refused.
    Refused,
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\n  {:?} 1.{}", self.start, u8::from(self.is_11))?;
        for (name, value) in &self.fields {
            write!(out, "\n    {name}: {}", escape(value))?;
        }
        write!(out, "\n    {:?}: {}", self.end, escape(&self.body))?;
        for (name, value) in &self.trailers {
            write!(out, "\n    trailer {name}: {}", escape(value))?;
        }
        Ok(())
    }
}

/// Fields in the order in which they are compared.
pub(crate) fn sorted<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<Field> {
    let mut fields: Vec<Field> = fields
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
        .collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

fn of_head(headers: &[Header<'_>]) -> Vec<Field> {
    sorted(headers.iter().map(|header| (header.name, header.value)))
}

/// Reads requests as the data plane does.
pub(crate) fn requests(bytes: &[u8]) -> Reading {
    let mut reading = Reading::new();
    loop {
        let rest = &bytes[reading.used..];
        let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let (head, length) = match RequestHead::parse(rest, &mut space) {
            Ok(Some((_, length))) if length > MAX_HEAD => return reading.stopped(Stop::Refused),
            Ok(Some(parsed)) => parsed,
            Ok(None) if rest.len() >= MAX_HEAD => return reading.stopped(Stop::Refused),
            Ok(None) => return reading.stopped(Stop::Ended),
            Err(_) => return reading.stopped(Stop::Refused),
        };
        let message = Message {
            start: Start::Request {
                method: head.method.to_owned(),
                authority: head.authority.to_owned(),
                target: head.target.to_owned(),
            },
            is_11: head.version == Version::Http11,
            fields: of_head(head.headers),
            body: Vec::new(),
            trailers: Vec::new(),
            end: End::Whole,
        };
        let (closes, framing) = (!head.keeps_alive(), head.framing);
        if !reading.take(message, framing, closes, length, bytes) {
            return reading;
        }
    }
}

/// Reads the answer to a request that asks for what `asks` says, as the data plane does; the
/// connection ends after `bytes`. Interim answers before it are left out.
pub(crate) fn answer(bytes: &[u8], asks: Asks) -> Reading {
    let mut reading = Reading::new();
    let mut interim = 0;
    loop {
        let rest = &bytes[reading.used..];
        let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let (head, length) = match ResponseHead::parse(rest, &mut space) {
            Ok(Some((_, length))) if length > MAX_HEAD => return reading.stopped(Stop::Refused),
            Ok(Some(parsed)) => parsed,
            Ok(None) if rest.len() >= MAX_HEAD => return reading.stopped(Stop::Refused),
            Ok(None) => return reading.stopped(Stop::Ended),
            Err(_) => return reading.stopped(Stop::Refused),
        };
        if head.is_interim() && interim < MAX_INTERIM_ANSWERS {
            interim += 1;
            reading.used += length;
            continue;
        }
        if head.is_interim() {
            return reading.stopped(Stop::Refused);
        }
        let message = Message {
            start: Start::Answer {
                status: head.status,
            },
            is_11: head.version == Version::Http11,
            fields: of_head(head.headers),
            body: Vec::new(),
            trailers: Vec::new(),
            end: End::Whole,
        };
        reading.take(message, head.framing(asks), true, length, bytes);
        return reading;
    }
}

impl Reading {
    fn new() -> Self {
        Self {
            messages: Vec::new(),
            stop: Stop::Ended,
            used: 0,
        }
    }

    fn stopped(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Takes in a message whose head has `length` bytes, with its body. False if it is the last.
    fn take(
        &mut self,
        mut message: Message,
        framing: Framing,
        closes: bool,
        length: usize,
        bytes: &[u8],
    ) -> bool {
        self.used += length;
        self.used += read_body(&mut message, framing, &bytes[self.used..]);
        self.stop = match message.end {
            End::Cut => Stop::Ended,
            End::Refused => Stop::Refused,
            End::Whole => Stop::Closes,
        };
        let goes_on = message.end == End::Whole && !closes;
        self.messages.push(message);
        goes_on
    }
}

/// Reads a body, at whose end the connection's end is; returns its length as it came.
fn read_body(message: &mut Message, framing: Framing, bytes: &[u8]) -> usize {
    let mut decoder = Decoder::new(framing);
    let mut used = 0;
    while !decoder.is_done() {
        let Ok(step) = decoder.step(&bytes[used..], usize::MAX) else {
            message.end = End::Refused;
            return used;
        };
        message.body.extend_from_slice(&bytes[used..][step.data]);
        used += step.consumed;
        if step.consumed == 0 {
            if decoder.end_of_stream().is_err() {
                message.end = End::Cut;
                return used;
            }
            break;
        }
    }
    let lines = decoder.trailers().split(|&byte| byte == b'\n');
    message.trailers = sorted(lines.filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        Some((name, line[colon + 1..].trim_ascii()))
    }));
    used
}
