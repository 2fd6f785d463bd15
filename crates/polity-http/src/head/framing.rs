//! How long a body is: RFC 9112, section 6.3, with everything doubtful refused.

use super::{HeadError, Version};

/// The longest body that can be announced: past it, a neighbour that counts with a sign sees a
/// negative number.
const MAX_LENGTH: u64 = i64::MAX as u64;

/// How a body's end is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// It has this many bytes.
    Length(u64),
    /// Chunks, the last one empty.
    Chunked,
    /// The connection's end is the body's (answers only).
    UntilClose,
}

/// Collects the framing fields of one head.
#[derive(Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    chunked: bool,
}

impl FramingFields {
    /// A `Content-Length` field. A second one is refused even where both agree: a neighbour
    /// may see only one of them.
    pub(super) fn content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.length.is_some() {
            return Err(HeadError::Malformed("more than one content-length"));
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::Malformed("content-length is not a number"));
        }
        let length = value.iter().try_fold(0u64, |length, digit| {
            length.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        let length = length.filter(|&length| length <= MAX_LENGTH);
        self.length = Some(length.ok_or(HeadError::Malformed("content-length is too large"))?);
        Ok(())
    }

    /// A `Transfer-Encoding` field: `chunked`, once, and nothing else.
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.chunked {
            return Err(HeadError::Malformed("more than one transfer-encoding"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError::Malformed("transfer-encoding is not `chunked`"));
        }
        self.chunked = true;
        Ok(())
    }

    /// What the fields say together; none when there are none.
    pub(super) fn framing(&self, version: Version) -> Result<Option<Framing>, HeadError> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(HeadError::Malformed(
                "content-length together with transfer-encoding",
            )),
            (true, None) if version == Version::Http10 => {
                Err(HeadError::Malformed("transfer-encoding in HTTP/1.0"))
            }
            (true, None) => Ok(Some(Framing::Chunked)),
            (false, Some(length)) => Ok(Some(Framing::Length(length))),
            (false, None) => Ok(None),
        }
    }
}
