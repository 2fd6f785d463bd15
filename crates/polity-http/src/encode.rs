//! Bodies that are encoded on their way (RFC 9110, section 8.4).

use std::io;

/// Encodes one body, in pieces. What an encoder holds is bounded, whatever goes through it.
pub trait Encoder {
    /// Takes `data`, and appends what there is of the result: it may keep some for later.
    ///
    /// # Errors
    /// When it cannot: the body is broken off.
    fn encode(&mut self, data: &[u8], out: &mut Vec<u8>) -> io::Result<()>;

    /// Appends all of what was kept: whoever reads it can decode all that was taken.
    ///
    /// # Errors
    /// As above.
    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()>;

    /// The same, and the end.
    ///
    /// # Errors
    /// As above.
    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}
