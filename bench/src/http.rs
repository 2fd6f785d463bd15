//! As much of HTTP/1.1 as instruments need: answers with a length, requests with any body.

use anyhow::{Context, ensure};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Heads of more than this are not expected of anybody measured.
const MAX_HEAD: usize = 64 * 1024;

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the head, its empty line included.
    pub(crate) head: usize,
    /// Bytes of the body.
    pub(crate) body: usize,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
}

/// What stands at the beginning of `bytes`; none if the head is not whole yet.
pub(crate) fn answer(bytes: &[u8]) -> anyhow::Result<Option<Answer>> {
    let Some(head) = head_end(bytes) else {
        ensure!(
            bytes.len() < MAX_HEAD,
            "an answer without an end of its head"
        );
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head]).context("an answer that is not ASCII")?;
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| digits.parse().ok())
        .context("an answer without a status")?;
    let body = field(text, "content-length").context("an answer without content-length")?;
    Ok(Some(Answer {
        status,
        head,
        body: body.parse().context("a content-length that is no number")?,
        closes: field(text, "connection").is_some_and(|it| it.eq_ignore_ascii_case("close")),
    }))
}

/// Bytes of the head that `bytes` begins with, its empty line included.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// Reads until a head is whole at the beginning of `buffer`, of which `filled` bytes are there already,
/// and gives its length; none at the end of the stream.
pub(crate) async fn read_head(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    filled: &mut usize,
) -> anyhow::Result<Option<usize>> {
    loop {
        if let Some(head) = head_end(&buffer[..*filled]) {
            return Ok(Some(head));
        }
        ensure!(*filled < buffer.len(), "a head that does not end");
        match stream.read(&mut buffer[*filled..]).await? {
            0 => return Ok(None),
            count => *filled += count,
        }
    }
}

/// The value of a field.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A GET of `path`.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench.example\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_its_head_is_whole() {
        let text = b"HTTP/1.1 503 Busy\r\ncontent-Length: 5\r\nConnection: close\r\n\r\nsorry";
        for cut in 0..text.len() - 5 {
            assert_eq!(answer(&text[..cut]).expect("valid"), None);
        }
        let expected = Answer {
            status: 503,
            head: text.len() - 5,
            body: 5,
            closes: true,
        };
        assert_eq!(answer(text).expect("valid"), Some(expected));
    }

    #[test]
    fn an_answer_without_a_length_is_an_error() {
        answer(b"HTTP/1.1 200 OK\r\n\r\n").expect_err("no length");
        answer(b"nonsense\r\n\r\n").expect_err("no status");
    }
}
