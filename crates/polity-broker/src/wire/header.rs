//! The header in front of every request (versions 1 and 2; an answer's is one number).

use kafka_protocol::protocol::StrBytes;

use crate::wire::shape::{Fault, skip_tagged};

/// The length of key, version and correlation id, which every header begins with.
pub(crate) const FIXED: usize = 8;

/// What comes first in a request, in every version of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// Which API.
    pub(crate) key: i16,
    /// Which version of it.
    pub(crate) version: i16,
    /// What the client knows the answer by.
    pub(crate) correlation: i32,
}

impl Prefix {
    /// Reads the first [`FIXED`] bytes; none when there are fewer.
    pub(crate) fn read(frame: &[u8]) -> Option<Self> {
        let (prefix, _) = frame.split_first_chunk::<FIXED>()?;
        let [k0, k1, v0, v1, c0, c1, c2, c3] = *prefix;
        Some(Self {
            key: i16::from_be_bytes([k0, k1]),
            version: i16::from_be_bytes([v0, v1]),
            correlation: i32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// Reads what follows the prefix: the client's name for itself, and in flexible versions tagged
/// fields. Gives the name and where the request's body begins in `frame`.
///
/// # Errors
/// When a length is beyond the end or the name is not UTF-8.
pub(crate) fn read_rest(
    frame: &[u8],
    is_flexible: bool,
) -> Result<(Option<StrBytes>, usize), Fault> {
    let rest = frame.get(FIXED..).ok_or(Fault::Short)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Fault::Short)?;
    let (client, rest) = match i16::from_be_bytes(*length) {
        -1 => (None, rest),
        length => {
            let length = usize::try_from(length).map_err(|_| Fault::Short)?;
            let (name, rest) = rest.split_at_checked(length).ok_or(Fault::Short)?;
            let name = std::str::from_utf8(name).map_err(|_| Fault::Number)?;
            (Some(StrBytes::from_string(name.to_owned())), rest)
        }
    };
    let body = if is_flexible {
        skip_tagged(rest)?
    } else {
        rest
    };
    Ok((client, frame.len() - body.len()))
}
