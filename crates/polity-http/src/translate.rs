//! Requests that are asked of an instance otherwise than they came, and answers that are told otherwise than the instance
//! gives them: JSON where an instance speaks gRPC.
//!
//! Both are in the form of HTTP/1.1, whatever carries them.

use crate::head::{RequestHead, ResponseHead};

/// Translates one request and its answer. Bytes that it writes are whole and in order: what it makes of them is
/// read as strictly as any answer.
pub trait Translate {
    /// What the request is asked as. `body` is all of it, decoded; none where it is longer than
    /// [what is gathered](crate::limits::MAX_TRANSLATED).
    fn request(&mut self, head: &RequestHead<'_>, body: Option<&[u8]>) -> Asked;

    /// The answer's head has come.
    fn answer(&mut self, head: &ResponseHead<'_>);

    /// Some of its body has. What is told of it is appended to `out`.
    fn answer_data(&mut self, data: &[u8], out: &mut Vec<u8>);

    /// All of it has, and the trailers: field lines, each with its end.
    fn answer_end(&mut self, trailers: &[u8], out: &mut Vec<u8>);
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// The instance is asked this, a request and its body.
    Otherwise(Vec<u8>),
    /// The instance is not asked: this is the answer.
    Answered(Vec<u8>),
}
