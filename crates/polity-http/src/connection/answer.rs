//! Answers made here: written whole, and followed by the next request only when this one is all there.

use std::future::poll_fn;
use std::task::Poll;
use std::time::SystemTime;

use super::{After, Connection};
use crate::buffer::Output;
use crate::date::write_date;
use crate::policy::{Answer, Fault, Policy};
use crate::stream::{Dial, Stream, poll_write_from};
use crate::text::write_number;

/// Whether an answer's body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Head and body.
    Whole,
    /// The head alone, as for HEAD.
    Head,
}

impl<P: Policy, D: Dial, S: Stream> Connection<P, D, S> {
    /// Answers what was no request, which are `bytes`, and has the connection closed: where the next request would
    /// begin is not known.
    pub(super) async fn refuse(&mut self, bytes: &[u8], fault: &Fault) -> After {
        let policy = &self.worker.policy;
        let answer = policy.refuse(&self.listener, self.peer, bytes, fault);
        let mut output = self.worker.buffers.output();
        write_answer(&answer, Part::Whole, Some("close"), output.buffer());
        match self.flush(&mut output).await {
            true => After::Linger,
            false => After::Close,
        }
    }

    /// Writes all of `output`. False when the client is gone or takes nothing for too long.
    pub(super) async fn flush(&mut self, output: &mut Output) -> bool {
        self.deadline.set_after(self.worker.timeouts().send);
        let written = poll_fn(|context| {
            while !output.pending().is_empty() {
                match poll_write_from(&mut self.stream, context, output.pending()) {
                    Poll::Ready(Ok(written)) => drop(output.wrote(written)),
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => return self.deadline.poll(context).map(|()| false),
                }
            }
            Poll::Ready(true)
        });
        let written = written.await;
        self.deadline.lift();
        written
    }
}

/// Appends an answer; `connection` is the option to send, if any.
pub(crate) fn write_answer(
    answer: &Answer,
    part: Part,
    connection: Option<&str>,
    out: &mut Vec<u8>,
) {
    write_head(answer, Some(answer.body.len() as u64), connection, out);
    if part == Part::Whole {
        out.extend_from_slice(&answer.body);
    }
}

/// Appends the head of an answer whose body has so many bytes; none where it is sent in chunks.
pub(crate) fn write_head(
    answer: &Answer,
    length: Option<u64>,
    connection: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(out, u64::from(answer.status));
    out.push(b' ');
    out.extend_from_slice(reason(answer.status).as_bytes());
    out.extend_from_slice(b"\r\ndate: ");
    write_date(SystemTime::now(), out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&answer.fields);
    if answer.status != 204 && answer.status != 304 {
        match length {
            Some(length) => {
                out.extend_from_slice(b"content-length: ");
                write_number(out, length);
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
    }
    if let Some(option) = connection {
        out.extend_from_slice(b"connection: ");
        out.extend_from_slice(option.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The phrase of the statuses that Polity itself gives (RFC 9110, section 15; RFC 6585).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
