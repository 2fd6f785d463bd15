//! Heads of requests and answers: parsed strictly (RFC 9112), written anew, never passed through.

pub mod request;
pub mod response;

mod authority;
mod copy;
mod fields;
mod framing;
mod write;

pub use fields::{is_hop_by_hop, list};
pub use framing::Framing;
pub use httparse::Header;
pub use request::RequestHead;
pub use response::ResponseHead;
pub(crate) use write::{AnswerFraming, write_answer_head, write_request_head};

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It breaks a rule; the text says which.
    #[error("{0}")]
    Malformed(&'static str),
    /// More fields than [`crate::limits::MAX_HEADERS`].
    #[error("too many header fields")]
    TooManyHeaders,
    /// A version this server does not speak.
    #[error("the HTTP version is not 1.0 or 1.1")]
    Version,
}

/// The two versions that share this syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: no chunks, no `Host` needed, connections close unless asked otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    fn from_minor(minor: Option<u8>) -> Result<Self, HeadError> {
        match minor {
            Some(0) => Ok(Self::Http10),
            Some(1) => Ok(Self::Http11),
            _ => Err(HeadError::Version),
        }
    }
}

/// httparse takes a bare LF for a line's end; RFC 9112 (section 2.2) only permits that, and a
/// neighbour that does not would see other lines than we do.
///
/// It takes one for nothing else, so that only the ends of lines need be looked at: before the first
/// line, before the name of each field, and at the end of `head`.
fn refuse_bare_line_feeds(head: &[u8], headers: &[Header<'_>]) -> Result<(), HeadError> {
    let mut first_line = head;
    while let Some(rest) = first_line.strip_prefix(b"\r\n") {
        first_line = rest;
    }
    let start = head.as_ptr().addr();
    let follows_line_end = |header: &Header<'_>| {
        let name = header.name.as_ptr().addr().wrapping_sub(start);
        head.get(..name)
            .is_some_and(|before| before.ends_with(b"\r\n"))
    };
    let legal = !first_line.starts_with(b"\n")
        && headers.iter().all(follows_line_end)
        && head.ends_with(b"\r\n\r\n");
    match legal {
        true => Ok(()),
        false => Err(HeadError::Malformed("a line ends in a bare line feed")),
    }
}

fn from_httparse(error: httparse::Error) -> HeadError {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => HeadError::TooManyHeaders,
        Error::Version => HeadError::Version,
        Error::HeaderName => HeadError::Malformed("a header name holds a byte it may not"),
        Error::HeaderValue => HeadError::Malformed("a header value holds a byte it may not"),
        Error::NewLine => HeadError::Malformed("a carriage return without its line feed"),
        Error::Status => HeadError::Malformed("the status line is not one"),
        Error::Token => HeadError::Malformed("the first line is not one of HTTP/1"),
    }
}

/// Whether `input`, which grew by its bytes from `from` on, may hold a whole head by now: a cheap
/// look that keeps a head sent byte by byte from being parsed byte by byte.
pub(crate) fn may_be_complete(input: &[u8], from: usize) -> bool {
    let fresh = &input[from.saturating_sub(3).min(input.len())..];
    fresh.windows(2).any(|pair| pair == b"\n\n") || fresh.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests;
