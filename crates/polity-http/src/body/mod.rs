//! Bodies: decoded span by span where they lie, and framed anew for the other side.

mod chunked;

use std::ops::Range;

use crate::head::Framing;
pub use chunked::ChunkedDecoder;
pub(crate) use chunked::{parse_trailers, write_chunk_start, write_last_chunk};

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It breaks a rule of chunks; the text says which.
    #[error("{0}")]
    Malformed(&'static str),
    /// The connection ended within it.
    #[error("the connection ended within the body")]
    Truncated,
}

/// Follows a body through the bytes of a connection.
#[derive(Debug)]
pub enum Decoder {
    /// No byte of the connection belongs to the body any more.
    Done,
    /// So many bytes are to come.
    Length(u64),
    /// Chunks; boxed, so that what is rare does not make every connection larger.
    Chunked(Box<ChunkedDecoder>),
    /// All bytes belong to it.
    UntilClose,
}

/// One step: `consumed` bytes are used up, of which those in `data` are of the body itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Of the input, from its front.
    pub consumed: usize,
    /// Where in the input.
    pub data: Range<usize>,
}

impl Decoder {
    /// At the beginning of a body.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Box::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Chunked(chunks) => chunks.is_done(),
            Self::Length(_) | Self::UntilClose => false,
        }
    }

    /// Takes at most `most` bytes of body off the front of `input`. Nothing consumed means that
    /// more input is needed, or that it is done.
    ///
    /// # Errors
    /// When the body is malformed. Where the next message begins is not known then, and the decoder
    /// is not to be used again.
    pub fn step(&mut self, input: &[u8], most: usize) -> Result<Step, BodyError> {
        let available = input.len().min(most);
        let taken = match self {
            Self::Done => 0,
            Self::Length(left) => {
                let taken = usize::try_from(*left).map_or(available, |left| left.min(available));
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                taken
            }
            Self::Chunked(chunks) => return chunks.step(input, most),
            Self::UntilClose => available,
        };
        Ok(Step {
            consumed: taken,
            data: 0..taken,
        })
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// When the body has not.
    pub fn end_of_stream(&mut self) -> Result<(), BodyError> {
        match self {
            Self::UntilClose | Self::Done => {
                *self = Self::Done;
                Ok(())
            }
            other if other.is_done() => Ok(()),
            _ => Err(BodyError::Truncated),
        }
    }

    /// The trailer section, once done: whole field lines, each with its end.
    pub fn trailers(&self) -> &[u8] {
        match self {
            Self::Chunked(chunks) => chunks.trailers(),
            _ => b"",
        }
    }
}

#[cfg(test)]
mod tests;
