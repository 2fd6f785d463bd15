//! Cuts a stream of bytes into lines of text.

use std::borrow::Cow;

/// The longest line, in bytes of text: a longer one is split.
pub(crate) const MAX_LINE: usize = 64 << 10;

/// Cuts bytes into lines, whatever the pieces they come in.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

impl Splitter {
    /// Takes the next bytes and hands out the lines they complete, without their ends (LF or CR LF).
    pub(crate) fn push(&mut self, mut bytes: &[u8], line: &mut dyn FnMut(&str)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (head, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.partial.is_empty() {
                emit(strip_return(head), line);
            } else {
                self.partial.extend_from_slice(head);
                emit(strip_return(&self.partial), line);
                self.partial = Vec::new();
            }
        }
        self.partial.extend_from_slice(bytes);
        while self.partial.len() > MAX_LINE {
            let cut = character_boundary(&self.partial, MAX_LINE);
            emit(&self.partial[..cut], line);
            self.partial.drain(..cut);
        }
    }

    /// Hands out what had no end.
    pub(crate) fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.partial.is_empty() {
            emit(strip_return(&self.partial), line);
            self.partial = Vec::new();
        }
    }
}

fn strip_return(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Hands out one line; replacing invalid UTF-8 makes it up to three times as long, so that it is cut
/// again.
fn emit(mut bytes: &[u8], line: &mut dyn FnMut(&str)) {
    while bytes.len() > MAX_LINE {
        let cut = character_boundary(bytes, MAX_LINE);
        emit_text(&String::from_utf8_lossy(&bytes[..cut]), line);
        bytes = &bytes[cut..];
    }
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => line(text),
        Cow::Owned(text) => emit_text(&text, line),
    }
}

fn emit_text(mut text: &str, line: &mut dyn FnMut(&str)) {
    while text.len() > MAX_LINE {
        let (head, rest) = text.split_at(character_boundary(text.as_bytes(), MAX_LINE));
        line(head);
        text = rest;
    }
    line(text);
}

/// The last place at or before `limit` where no UTF-8 character is cut. In what is not UTF-8 any place will do.
fn character_boundary(bytes: &[u8], limit: usize) -> usize {
    let is_boundary = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
    let lowest = limit.saturating_sub(3);
    (lowest..=limit).rev().find(is_boundary).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut splitter = Splitter::default();
        for piece in pieces {
            splitter.push(piece, &mut |line| lines.push(line.to_owned()));
        }
        splitter.finish(&mut |line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn lines_end_with_a_line_feed_or_with_the_stream() {
        assert_eq!(split(&[b"a\nb\r\n\nc"]), ["a", "b", "", "c"]);
        assert_eq!(split(&[b"a\n"]), ["a"]);
        assert_eq!(split(&[b""]), Vec::<String>::new());
        assert_eq!(split(&[b"a\r", b"\nb"]), ["a", "b"]);
        assert_eq!(split(&[b"50%\r60%\n"]), ["50%\r60%"]);
        assert_eq!(
            split(&[b"\x1b[31mred\x1b[0m\n"]),
            ["\u{1b}[31mred\u{1b}[0m"]
        );
    }

    #[test]
    fn what_is_not_utf8_is_replaced_and_a_character_cut_by_a_read_is_not() {
        assert_eq!(split(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
        assert_eq!(split(&[b"\xc3", b"\xa4\n"]), ["\u{e4}"]);
    }

    #[test]
    fn a_long_line_is_split_between_characters() {
        let long = "\u{20ac}".repeat(MAX_LINE);
        let lines = split(&[long.as_bytes(), b"\nnext"]);
        assert!(lines.len() >= 4);
        let (last, parts) = lines.split_last().expect("some");
        assert_eq!(last, "next");
        assert_eq!(parts.concat(), long);
        assert!(parts.iter().all(|part| part.len() <= MAX_LINE));
        let lines = split(&[&[0xff; 3 * MAX_LINE]]);
        assert_eq!(lines.concat(), "\u{fffd}".repeat(3 * MAX_LINE));
        assert!(lines.iter().all(|line| line.len() <= MAX_LINE));
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_changes_nothing(
            bytes in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 0..400),
            piece in 1usize..50,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
            let lines = split(&pieces);
            prop_assert_eq!(&lines, &split(&[&bytes]));
            let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
            let last = usize::from(bytes.last().is_some_and(|byte| *byte != b'\n'));
            prop_assert_eq!(lines.len(), ends + last);
        }
    }
}
