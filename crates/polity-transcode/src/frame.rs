//! Messages in a stream: each behind a flag and its length (gRPC over HTTP2, "Length-Prefixed-Message").

use crate::status::{Code, Status};

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;

/// The flag and the length.
const PREFIX: usize = 5;

/// The longest message of an answer, in bytes: what gRPC's own clients take.
pub const MAX_MESSAGE: usize = 4 << 20;

/// The bytes that bring a message.
pub fn frame(message: &[u8]) -> Vec<u8> {
    // Requests are bounded far below.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(0);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// Takes a stream apart.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Of those, so many are done with.
    begin: usize,
}

impl Frames {
    /// Notes what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.begin));
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is whole.
    ///
    /// # Errors
    /// When it is compressed, which nobody asked for, or too long. What follows cannot be read then.
    pub fn take(&mut self) -> Result<Option<&[u8]>, Status> {
        let rest = self.buffer.get(self.begin..).unwrap_or_default();
        let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *prefix;
        if flag != 0 {
            let message = "the service compresses its answer, which it was not asked for";
            return Err(Status::new(Code::INTERNAL, message));
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_MESSAGE {
            let message =
                format!("the service's message has {length} bytes, more than {MAX_MESSAGE}");
            return Err(Status::new(Code::RESOURCE_EXHAUSTED, message));
        }
        let message = rest.get(..length);
        if message.is_some() {
            self.begin += PREFIX + length;
        }
        Ok(message)
    }

    /// Whether a message has begun that is not whole.
    pub fn is_cut_short(&self) -> bool {
        self.begin < self.buffer.len()
    }
}
