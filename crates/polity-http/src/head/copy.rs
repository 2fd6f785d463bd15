//! Fields that go on unchanged, copied in runs: those that stand next to each other, spelled as we
//! would spell them, are one copy.

use super::Header;
use super::write::write_field;

/// Copies fields of a head to the end of a buffer.
///
/// A run of the head's bytes is copied only where each of its lines is `name: value` and CRLF to the
/// byte, as parsed; a field with any other spacing is written anew. What goes out is the same.
pub(super) struct FieldCopy<'a> {
    raw: &'a [u8],
    out: &'a mut Vec<u8>,
    /// Where in `raw` the lines not copied yet begin and end.
    start: usize,
    end: usize,
}

impl<'a> FieldCopy<'a> {
    /// For fields that lie in `raw`.
    pub(super) fn new(raw: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        Self {
            raw,
            out,
            start: 0,
            end: 0,
        }
    }

    /// Adds a field; they come in the order of the head.
    pub(super) fn add(&mut self, header: &Header<'_>) {
        let Some((start, end)) = self.plain_line(header) else {
            self.copy();
            write_field(self.out, header.name, header.value);
            return;
        };
        if start != self.end {
            self.copy();
            self.start = start;
        }
        self.end = end;
    }

    /// Copies what is left.
    pub(super) fn finish(mut self) {
        self.copy();
    }

    fn copy(&mut self) {
        let lines = self.raw.get(self.start..self.end).unwrap_or_default();
        self.out.extend_from_slice(lines);
        (self.start, self.end) = (0, 0);
    }

    /// Where the field's line begins and ends, if it is spelled as we would spell it.
    fn plain_line(&self, header: &Header<'_>) -> Option<(usize, usize)> {
        let base = self.raw.as_ptr().addr();
        let start = header.name.as_ptr().addr().checked_sub(base)?;
        let value = header.value.as_ptr().addr().checked_sub(base)?;
        let value_end = value.checked_add(header.value.len())?;
        let separator = self.raw.get(start + header.name.len()..value)?;
        let line_end = self.raw.get(value_end..value_end + 2)?;
        (separator == b": " && line_end == b"\r\n").then_some((start, value_end + 2))
    }
}
