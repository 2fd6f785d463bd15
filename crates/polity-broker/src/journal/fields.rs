//! The primitive types of Kafka's internal records, read with every length checked first.
//!
//! Source: the Kafka protocol guide, "Protocol Primitive Types", and KIP-482 for the compact
//! forms and tagged fields of flexible versions.

use bytes::{BufMut, Bytes, BytesMut};
use smol_str::SmolStr;
use uuid::Uuid;

/// A record that is not what its version says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The bytes end before the value does.
    #[error("the record ends in the middle of a field")]
    Short,
    /// A length or a count that cannot be, such as null for what may not be null.
    #[error("a length in the record makes no sense")]
    Length,
    /// Text that is not UTF-8.
    #[error("a text in the record is not UTF-8")]
    Text,
    /// A version that this build does not know.
    #[error("the record is of a version or type unknown here")]
    Version,
}

/// How lengths are written: as fixed integers, or (flexible versions) as varints plus one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Before KIP-482.
    Classic,
    /// Flexible versions: compact lengths, and tagged fields after each structure.
    Compact,
}

/// Reads one record's fields in order.
#[derive(Debug)]
pub struct Reader {
    rest: Bytes,
    form: Form,
}

impl Reader {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: Bytes, form: Form) -> Self {
        Self { rest: bytes, form }
    }

    /// What is still to be read takes this form: a version number was read that says so.
    pub fn set_form(&mut self, form: Form) {
        self.form = form;
    }

    fn take(&mut self, length: usize) -> Result<Bytes, FieldError> {
        if length > self.rest.len() {
            return Err(FieldError::Short);
        }
        Ok(self.rest.split_to(length))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FieldError> {
        let bytes = self.take(N)?;
        bytes.as_ref().try_into().map_err(|_| FieldError::Short)
    }

    /// An `int8`.
    pub fn i8(&mut self) -> Result<i8, FieldError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// An `int16`.
    pub fn i16(&mut self) -> Result<i16, FieldError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// An `int32`.
    pub fn i32(&mut self) -> Result<i32, FieldError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// An `int64`.
    pub fn i64(&mut self) -> Result<i64, FieldError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A `uuid`.
    pub fn uuid(&mut self) -> Result<Uuid, FieldError> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    fn varint(&mut self) -> Result<u32, FieldError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return Err(FieldError::Length);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(FieldError::Length)
    }

    /// A length or count; `None` is null. `wide` is whether the classic form has 32 bits for it.
    fn length(&mut self, wide: bool) -> Result<Option<usize>, FieldError> {
        let length = match (self.form, wide) {
            (Form::Compact, _) => i64::from(self.varint()?) - 1,
            (Form::Classic, true) => i64::from(self.i32()?),
            (Form::Classic, false) => i64::from(self.i16()?),
        };
        match length {
            -1 => Ok(None),
            // Nothing takes less than a byte, so no count is over what is left to read.
            _ => match usize::try_from(length) {
                Ok(length) if length <= self.rest.len() => Ok(Some(length)),
                Ok(_) => Err(FieldError::Short),
                Err(_) => Err(FieldError::Length),
            },
        }
    }

    /// A nullable `string`.
    pub fn nullable_text(&mut self) -> Result<Option<SmolStr>, FieldError> {
        let Some(length) = self.length(false)? else {
            return Ok(None);
        };
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| FieldError::Text)?;
        Ok(Some(SmolStr::new(text)))
    }

    /// A `string`.
    pub fn text(&mut self) -> Result<SmolStr, FieldError> {
        self.nullable_text()?.ok_or(FieldError::Length)
    }

    /// A nullable `bytes`.
    pub fn nullable_bytes(&mut self) -> Result<Option<Bytes>, FieldError> {
        match self.length(true)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// A `bytes`.
    pub fn bytes(&mut self) -> Result<Bytes, FieldError> {
        self.nullable_bytes()?.ok_or(FieldError::Length)
    }

    /// A nullable array, its elements read by `read`.
    pub fn nullable_list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, FieldError>,
    ) -> Result<Option<Vec<T>>, FieldError> {
        match self.length(true)? {
            // Collected without a reservation: the count is a stranger's.
            Some(count) => (0..count)
                .map(|_| read(self))
                .collect::<Result<_, _>>()
                .map(Some),
            None => Ok(None),
        }
    }

    /// An array, its elements read by `read`.
    pub fn list<T>(
        &mut self,
        read: impl FnMut(&mut Self) -> Result<T, FieldError>,
    ) -> Result<Vec<T>, FieldError> {
        self.nullable_list(read)?.ok_or(FieldError::Length)
    }

    /// The tagged fields that end a structure of a flexible version: each tag with a reader of its
    /// bytes. Tags that are not known are for `read` to ignore. Nothing in the classic form.
    pub fn tags(
        &mut self,
        mut read: impl FnMut(u32, &mut Self) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        if self.form == Form::Classic {
            return Ok(());
        }
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let size = self.varint()? as usize;
            let mut field = Self::new(self.take(size)?, self.form);
            read(tag, &mut field)?;
        }
        Ok(())
    }

    /// Skips the tagged fields of a structure that has none known here.
    pub fn no_tags(&mut self) -> Result<(), FieldError> {
        self.tags(|_, _| Ok(()))
    }
}

/// Writes one record's fields in order.
#[derive(Debug)]
pub struct Writer {
    buffer: BytesMut,
    form: Form,
}

impl Writer {
    /// Writes in this form; keys of internal records are always classic.
    pub fn new(form: Form) -> Self {
        Self {
            buffer: BytesMut::new(),
            form,
        }
    }

    /// What has been written.
    pub fn finish(self) -> Bytes {
        self.buffer.freeze()
    }

    /// An `int8`.
    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    /// An `int16`.
    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    /// An `int32`.
    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    /// An `int64`.
    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    /// A `uuid`.
    pub fn uuid(&mut self, value: Uuid) {
        self.buffer.put_slice(value.as_bytes());
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// Lengths come from requests, whose frames are bounded far below 2^31; a text is bounded at
    /// 2^15 there as well.
    fn length(&mut self, wide: bool, length: Option<usize>) {
        match (self.form, wide) {
            (Form::Compact, _) => self.varint(length.map_or(0, |length| length as u32 + 1)),
            (Form::Classic, true) => self.i32(length.map_or(-1, |length| length as i32)),
            (Form::Classic, false) => self.i16(length.map_or(-1, |length| length as i16)),
        }
    }

    /// A nullable `string`.
    pub fn nullable_text(&mut self, value: Option<&str>) {
        self.length(false, value.map(str::len));
        self.buffer.put_slice(value.unwrap_or_default().as_bytes());
    }

    /// A `string`.
    pub fn text(&mut self, value: &str) {
        self.nullable_text(Some(value));
    }

    /// A `bytes`.
    pub fn bytes(&mut self, value: &[u8]) {
        self.length(true, Some(value.len()));
        self.buffer.put_slice(value);
    }

    /// An array, its elements written by `write`.
    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.length(true, Some(items.len()));
        items.for_each(|item| write(self, item));
    }

    /// A null array.
    pub fn null_list(&mut self) {
        self.length(true, None);
    }

    /// The tagged fields that end a structure, in the order of their tags; each is written by
    /// [`Writer::finish`]ing a writer of the same form. Nothing in the classic form.
    pub fn tags(&mut self, tags: &[(u32, Bytes)]) {
        if self.form == Form::Classic {
            return;
        }
        self.varint(tags.len() as u32);
        for (tag, bytes) in tags {
            self.varint(*tag);
            self.varint(bytes.len() as u32);
            self.buffer.put_slice(bytes);
        }
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
