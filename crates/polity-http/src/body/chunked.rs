//! Chunked transfer coding (RFC 9112, section 7.1), byte by byte where it must be and span by span where it can.

use super::{BodyError, Step};
use crate::head::is_hop_by_hop;
use crate::limits::{MAX_CHUNK_EXTENSION, MAX_HEADERS, MAX_TRAILERS};

/// Reads chunks from a connection in pieces of any size.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
    /// The trailer section so far, with line ends.
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a size.
    Size {
        size: u64,
        digits: u8,
    },
    /// In what follows the digits, up to the line's end.
    Extension {
        size: u64,
        length: usize,
    },
    /// After the CR of a size line.
    SizeEnd {
        size: u64,
    },
    /// In a chunk.
    Data {
        left: u64,
    },
    /// After a chunk.
    DataEnd,
    /// After the CR that follows a chunk.
    DataEndLineFeed,
    /// At the start of a line, or within one, of the trailer section.
    Trailer {
        line: usize,
        after_return: bool,
    },
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

/// Sixteen digits are 64 bits. Fewer are enough for every body that will ever be sent, and
/// leave no room for a neighbour's overflow.
const MAX_SIZE_DIGITS: u8 = 15;

impl ChunkedDecoder {
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    pub(crate) fn trailers(&self) -> &[u8] {
        if self.is_done() { &self.trailers } else { b"" }
    }

    /// Goes on to the next span of data, or to the input's end.
    pub(crate) fn step(&mut self, input: &[u8], most: usize) -> Result<Step, BodyError> {
        for (index, &byte) in input.iter().enumerate() {
            if let State::Data { left } = self.state {
                let available = (input.len() - index).min(most);
                let taken = usize::try_from(left).map_or(available, |left| left.min(available));
                self.state = match left - taken as u64 {
                    0 => State::DataEnd,
                    left => State::Data { left },
                };
                return Ok(Step {
                    consumed: index + taken,
                    data: index..index + taken,
                });
            }
            if self.is_done() {
                return Ok(nothing(index));
            }
            self.state = self.after(byte)?;
        }
        Ok(nothing(input.len()))
    }

    fn after(&mut self, byte: u8) -> Result<State, BodyError> {
        let malformed = |what| Err(BodyError::Malformed(what));
        match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == MAX_SIZE_DIGITS {
                    return malformed("a chunk size is too large");
                }
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                Ok(State::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                })
            }
            (State::Size { digits: 0, .. }, _) => malformed("a chunk size is not a number"),
            (State::Size { size, .. }, b'\r') => Ok(State::SizeEnd { size }),
            (State::Size { size, .. }, b';') => Ok(State::Extension { size, length: 0 }),
            (State::Size { .. }, _) => malformed("a chunk size is not a number"),
            (State::Extension { size, .. }, b'\r') => Ok(State::SizeEnd { size }),
            (State::Extension { size, length }, _) => match byte {
                _ if length == MAX_CHUNK_EXTENSION => malformed("a chunk extension is too long"),
                b'\t' | b' '..=b'~' => Ok(State::Extension {
                    size,
                    length: length + 1,
                }),
                _ => malformed("a chunk extension holds a byte it may not"),
            },
            (State::SizeEnd { size: 0 }, b'\n') => Ok(State::Trailer {
                line: 0,
                after_return: false,
            }),
            (State::SizeEnd { size }, b'\n') => Ok(State::Data { left: size }),
            (State::DataEnd, b'\r') => Ok(State::DataEndLineFeed),
            (State::DataEndLineFeed, b'\n') => Ok(State::default()),
            (State::SizeEnd { .. } | State::DataEnd | State::DataEndLineFeed, _) => {
                malformed("a chunk does not end where its size says")
            }
            (State::Trailer { line, after_return }, _) => self.trailer(line, after_return, byte),
            (State::Data { .. } | State::Done, _) => Ok(self.state),
        }
    }

    fn trailer(&mut self, line: usize, after_return: bool, byte: u8) -> Result<State, BodyError> {
        match (after_return, byte) {
            (true, b'\n') if line == 0 => {
                // The CR of the empty line has been taken for a part of the section.
                self.trailers.pop();
                check_trailers(&self.trailers)?;
                return Ok(State::Done);
            }
            (true, b'\n') => {
                self.trailers.push(byte);
                return Ok(State::Trailer {
                    line: 0,
                    after_return: false,
                });
            }
            (true, _) | (false, b'\n') => {
                return Err(BodyError::Malformed("a trailer line does not end as one"));
            }
            (false, _) => {}
        }
        if self.trailers.len() == MAX_TRAILERS {
            return Err(BodyError::Malformed("the trailers are too long"));
        }
        self.trailers.push(byte);
        Ok(match byte {
            b'\r' => State::Trailer {
                line,
                after_return: true,
            },
            _ => State::Trailer {
                line: line + 1,
                after_return: false,
            },
        })
    }
}

fn nothing(consumed: usize) -> Step {
    Step {
        consumed,
        data: consumed..consumed,
    }
}

fn check_trailers(section: &[u8]) -> Result<(), BodyError> {
    if section.is_empty() {
        return Ok(());
    }
    parse_trailers(section, |_| {}).map_err(|_| BodyError::Malformed("the trailers are not fields"))
}

/// Looks at each field of a whole section.
pub(crate) fn parse_trailers(
    section: &[u8],
    mut each: impl FnMut(&httparse::Header<'_>),
) -> Result<(), httparse::Error> {
    let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut whole = Vec::with_capacity(section.len() + 2);
    whole.extend_from_slice(section);
    whole.extend_from_slice(b"\r\n");
    if let httparse::Status::Complete((_, fields)) = httparse::parse_headers(&whole, &mut space)? {
        fields.iter().for_each(&mut each);
    }
    Ok(())
}

/// Appends the line that a chunk of `size` bytes (not 0) begins with. Its data and a CRLF follow.
pub(crate) fn write_chunk_start(out: &mut Vec<u8>, size: usize) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        let digit = (size >> (place * 4)) & 15;
        out.push(b"0123456789abcdef"[digit]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and those of `trailers` that may go on: a field of framing, routing or
/// authentication means something else after the body than before it (RFC 9110, section 6.5.1), and
/// a server that puts trailers among the headers would take one for what Polity says in its own.
/// `keep` has a say about each of the rest.
pub(crate) fn write_last_chunk(out: &mut Vec<u8>, trailers: &[u8], keep: impl Fn(&str) -> bool) {
    out.extend_from_slice(b"0\r\n");
    if !trailers.is_empty() {
        // They were checked when they were read; what does not parse is left out.
        let _ = parse_trailers(trailers, |field| {
            if may_trail(field.name) && keep(field.name) {
                out.extend_from_slice(field.name.as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(field.value);
                out.extend_from_slice(b"\r\n");
            }
        });
    }
    out.extend_from_slice(b"\r\n");
}

fn may_trail(name: &str) -> bool {
    const FORBIDDEN: &[&str] = &[
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "set-cookie",
        "trailer",
        "traceparent",
        "tracestate",
        "www-authenticate",
        "x-polity-reason",
        "x-real-ip",
        "x-request-id",
        "x-request-timeout-ms",
    ];
    let dashed = name.replace('_', "-").to_ascii_lowercase();
    !is_hop_by_hop(&dashed)
        && !dashed.starts_with("x-forwarded-")
        && !FORBIDDEN.contains(&dashed.as_str())
}
