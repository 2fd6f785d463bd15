//! Answers: the header, the body, and for Fetch the places of the records in their files.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use kafka_protocol::protocol::{Encodable, HeaderVersion};
use polity_log::Slice;
use polity_log::disk::RealFile;

use crate::limits::{LARGE_ANSWER, OPEN_FILE};

/// What becomes of a request.
pub(crate) enum Answer {
    /// It is answered by this.
    Now(Reply),
    /// It has taken effect; what it is answered by shows when the disk has it. The connection's
    /// next request goes ahead.
    Later(Later),
    /// It is large, and made once there is room for it.
    Large(Large),
    /// The client asked for no answer.
    None,
}

/// An answer that is not encoded yet.
pub(crate) struct Large {
    /// Its bytes.
    pub(crate) size: usize,
    encode: Box<dyn FnOnce() -> Result<Reply, EncodeError> + Send>,
}

/// An answer that is not there yet. It holds nothing of its request.
pub(crate) struct Later {
    /// What it holds of memory meanwhile, in bytes, about.
    pub(crate) weight: usize,
    pub(crate) reply: Pin<Box<dyn Future<Output = Result<Reply, EncodeError>> + Send>>,
}

/// The bytes of one answer, in order.
#[derive(Debug, Default)]
pub(crate) struct Reply(pub(crate) Vec<Part>);

/// Some of an answer's bytes.
#[derive(Debug)]
pub(crate) enum Part {
    /// Here they are.
    Bytes(Bytes),
    /// They are in a file, and go from there to the socket without a copy.
    File(Slice<RealFile>),
}

/// Why an answer could not be encoded: a mistake of ours.
#[derive(Debug, thiserror::Error)]
#[error("could not encode an answer: {0}")]
pub(crate) struct EncodeError(pub(crate) String);

impl Answer {
    /// An answer that is all bytes: encoded at once, unless it is large.
    ///
    /// # Errors
    /// As of [`Reply::encode`].
    pub(crate) fn of<B>(correlation: i32, version: i16, body: B) -> Result<Self, EncodeError>
    where
        B: Encodable + HeaderVersion + Send + 'static,
    {
        let size = body.compute_size(version).map_err(failed)?;
        let encode = move || {
            let room = Vec::with_capacity(MAX_HEADER + size);
            Reply::encode_into(room, correlation, version, &body)
        };
        match size <= LARGE_ANSWER {
            true => Ok(Self::Now(encode()?)),
            false => Ok(Self::Large(Large {
                size,
                encode: Box::new(encode),
            })),
        }
    }

    /// What it holds until it is taken, in bytes: an open file is worth some too.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Now(reply) => reply.0.iter().map(Part::weight).sum(),
            Self::Later(later) => later.weight,
            Self::Large(large) => large.size,
            Self::None => 0,
        }
    }
}

impl Large {
    pub(crate) fn encode(self) -> Result<Reply, EncodeError> {
        (self.encode)()
    }
}

impl Part {
    fn weight(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(_) => OPEN_FILE,
        }
    }
}

impl Reply {
    /// An answer that is all bytes: its length, the header and `body`.
    ///
    /// # Errors
    /// When a field of `body` is set that `version` cannot carry.
    pub(crate) fn encode<B>(correlation: i32, version: i16, body: &B) -> Result<Self, EncodeError>
    where
        B: Encodable + HeaderVersion,
    {
        Self::encode_into(Vec::new(), correlation, version, body)
    }

    fn encode_into<B>(
        mut frame: Vec<u8>,
        correlation: i32,
        version: i16,
        body: &B,
    ) -> Result<Self, EncodeError>
    where
        B: Encodable + HeaderVersion,
    {
        begin(&mut frame, correlation, B::header_version(version));
        body.encode(&mut frame, version).map_err(failed)?;
        let length = frame.len() - 4;
        Ok(Self(vec![Part::Bytes(end(frame, length))]))
    }

    /// Puts `next` behind it. Bytes that come to stand beside others are copied: they are few.
    pub(crate) fn append(&mut self, next: Self) {
        for part in next.0 {
            match (self.0.last_mut(), part) {
                (Some(Part::Bytes(before)), Part::Bytes(bytes)) => {
                    let mut joined = Vec::from(std::mem::take(before));
                    joined.extend_from_slice(&bytes);
                    *before = joined.into();
                }
                (_, part) => self.0.push(part),
            }
        }
    }
}

fn failed(error: impl std::fmt::Display) -> EncodeError {
    EncodeError(error.to_string())
}

/// What [`begin`] puts before a body, at most.
const MAX_HEADER: usize = 9;

/// Begins an answer with room for its length.
pub(crate) fn begin(frame: &mut Vec<u8>, correlation: i32, header_version: i16) {
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&correlation.to_be_bytes());
    if header_version >= 1 {
        // No tagged fields.
        frame.extend_from_slice(&[0]);
    }
}

/// Writes an answer's length into the room for it.
pub(crate) fn end(mut frame: Vec<u8>, length: usize) -> Bytes {
    // Answers are bounded far below two gigabytes.
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    if let Some(room) = frame.first_chunk_mut::<4>() {
        *room = length.to_be_bytes();
    }
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_behind_one_another_are_one_piece() {
        let reply =
            |text: &'static str| Reply(vec![Part::Bytes(Bytes::from_static(text.as_bytes()))]);
        let mut joined = Reply::default();
        for text in ["one", "two", "three"] {
            joined.append(reply(text));
        }
        let [Part::Bytes(bytes)] = joined.0.as_slice() else {
            panic!("{joined:?}");
        };
        assert_eq!(bytes, "onetwothree");
    }
}
