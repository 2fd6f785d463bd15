//! Heads as they are sent: field by field from what was parsed, with framing written anew.

use super::copy::FieldCopy;
use super::fields::{aliases_framing, is_hop_by_hop, is_listed};
use super::{Framing, RequestHead, ResponseHead};
use crate::text::write_number;

/// How the body of an answer is framed towards a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerFraming {
    /// As the body itself says: nothing to add for none, a length, chunks, or the connection's end.
    Body(Framing),
    /// No body follows, yet the length it would have is told (HEAD, 304).
    Told(u64),
}

/// Appends the request line and all fields that go on; `keep` has a say about each, and `extra`
/// adds its own. `target` is what the origin is asked for.
pub(crate) fn write_request_head(
    head: &RequestHead<'_>,
    target: &str,
    out: &mut Vec<u8>,
    keep: impl Fn(&str) -> bool,
    extra: impl FnOnce(&mut Vec<u8>),
) {
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut copy = FieldCopy::new(head.raw, out);
    for header in head.headers {
        let name = header.name;
        if is_hop_by_hop(name) || aliases_framing(name) || !keep(name) {
            continue;
        }
        if head.options.names_fields && is_listed(head.headers, name) {
            continue;
        }
        copy.add(header);
    }
    copy.finish();
    match head.framing {
        Framing::Length(length) => write_length(out, length),
        Framing::Chunked => write_field(out, "transfer-encoding", b"chunked"),
        Framing::None | Framing::UntilClose => {}
    }
    if let Some(protocol) = head.upgrade {
        write_field(out, "connection", b"upgrade");
        write_field(out, "upgrade", protocol.as_bytes());
    } else if head.accepts_trailers {
        write_field(out, "connection", b"te");
        write_field(out, "te", b"trailers");
    }
    extra(out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the status line and all fields that go on; `keep` has a say about each, and `extra` adds
/// its own. `connection` is the option to send, if any.
pub(crate) fn write_answer_head(
    head: &ResponseHead<'_>,
    framing: AnswerFraming,
    connection: Option<&str>,
    out: &mut Vec<u8>,
    keep: impl Fn(&str) -> bool,
    extra: impl FnOnce(&mut Vec<u8>),
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(out, u64::from(head.status));
    out.push(b' ');
    out.extend_from_slice(head.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut copy = FieldCopy::new(head.raw, out);
    for header in head.headers {
        if is_hop_by_hop(header.name)
            || !keep(header.name)
            || (head.options.names_fields && is_listed(head.headers, header.name))
        {
            continue;
        }
        copy.add(header);
    }
    copy.finish();
    match framing {
        AnswerFraming::Body(Framing::Length(length)) | AnswerFraming::Told(length) => {
            write_length(out, length);
        }
        AnswerFraming::Body(Framing::Chunked) => write_field(out, "transfer-encoding", b"chunked"),
        AnswerFraming::Body(Framing::None | Framing::UntilClose) => {}
    }
    if let Some(option) = connection {
        write_field(out, "connection", option.as_bytes());
    }
    if head.status == 101 {
        for header in head.headers {
            if header.name.eq_ignore_ascii_case("upgrade") {
                write_field(out, "upgrade", header.value);
            }
        }
    }
    extra(out);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    write_number(out, length);
    out.extend_from_slice(b"\r\n");
}
