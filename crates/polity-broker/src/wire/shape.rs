//! Checks a request's bytes against the request's shape, before anything is decoded out of them.
//!
//! The decoder reserves memory for as many elements as an array says it has. Here every count and
//! every length is held against the bytes that are left, and the elements of the whole request
//! against a bound, so that a request that lies costs nothing but this walk.
//!
//! Bytes after the last field are left alone, as Kafka does: librdkafka 2.16 sends one after some of its
//! Metadata requests.

use crate::limits::MAX_ELEMENTS;

/// The version of a request that is never flexible (KIP-482).
pub(crate) const NEVER: i16 = i16::MAX;

/// What a request is made of.
#[derive(Debug)]
pub(crate) struct Shape {
    /// From this version on, lengths are compact and every struct ends in tagged fields (KIP-482).
    pub(crate) flexible: i16,
    /// The fields in order.
    pub(crate) fields: &'static [Field],
}

/// One field and the versions that have it.
#[derive(Debug)]
pub(crate) struct Field {
    name: &'static str,
    pub(crate) kind: Kind,
    since: i16,
    until: i16,
    pub(crate) tag: Option<u32>,
}

/// What a field holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A number, boolean or UUID of so many bytes.
    Fixed(usize),
    /// Text of at most 32767 bytes, or of any length where compact; may be null.
    String,
    /// Bytes, or records; may be null.
    Bytes,
    /// Elements of one kind; may be null.
    Array(&'static Kind),
    /// Fields, and in flexible versions tagged ones.
    Struct(&'static [Field]),
    /// A byte that says whether a struct follows: 1, or -1 for none.
    OptionStruct(&'static [Field]),
}

/// Kinds of fixed size, by the names the protocol gives them.
pub(crate) const BOOL: Kind = Kind::Fixed(1);
pub(crate) const INT8: Kind = Kind::Fixed(1);
pub(crate) const INT16: Kind = Kind::Fixed(2);
pub(crate) const INT32: Kind = Kind::Fixed(4);
pub(crate) const INT64: Kind = Kind::Fixed(8);
pub(crate) const UUID: Kind = Kind::Fixed(16);

/// Why bytes are not the request they say they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {fault}")]
pub(crate) struct Malformed {
    /// The innermost field that the walk was in.
    pub(crate) field: &'static str,
    /// What is wrong there.
    #[source]
    pub(crate) fault: Fault,
}

/// What can be wrong with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// A length or count is beyond the end, or negative.
    #[error("a length or count is larger than what was sent")]
    Short,
    /// More array elements than any client needs.
    #[error("more than {MAX_ELEMENTS} elements")]
    Elements,
    /// A number that is not one of those its place allows.
    #[error("an impossible number")]
    Number,
}

/// A field of every version of the request.
pub(crate) const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        since: 0,
        until: i16::MAX,
        tag: None,
    }
}

/// A field that is left out where it holds nothing, and found by its tag.
pub(crate) const fn tagged(tag: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        tag: Some(tag),
        ..field(name, kind)
    }
}

impl Field {
    pub(crate) const fn since(self, version: i16) -> Self {
        Self {
            since: version,
            ..self
        }
    }

    pub(crate) const fn until(self, version: i16) -> Self {
        Self {
            until: version,
            ..self
        }
    }

    pub(crate) fn is_in(&self, version: i16) -> bool {
        (self.since..=self.until).contains(&version)
    }
}

impl Shape {
    /// Whether `body`, what follows the header, begins with one request of this shape. Gives how many
    /// array elements and tagged fields it has.
    pub(crate) fn check(&self, version: i16, body: &[u8]) -> Result<usize, Malformed> {
        let mut walk = Walk {
            rest: body,
            version,
            is_flexible: version >= self.flexible,
            elements_left: MAX_ELEMENTS,
            field: "body",
        };
        let walked = walk.fields(self.fields);
        walked.map_err(|fault| Malformed {
            field: walk.field,
            fault,
        })?;
        Ok(MAX_ELEMENTS - walk.elements_left)
    }
}

/// Steps over the tagged fields of a header, none of which means anything yet; gives what follows.
pub(crate) fn skip_tagged(bytes: &[u8]) -> Result<&[u8], Fault> {
    let mut walk = Walk {
        rest: bytes,
        version: 0,
        is_flexible: true,
        elements_left: MAX_ELEMENTS,
        field: "header",
    };
    walk.tagged_fields(&[])?;
    Ok(walk.rest)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    is_flexible: bool,
    elements_left: usize,
    field: &'static str,
}

impl<'a> Walk<'a> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), Fault> {
        for field in fields {
            if field.tag.is_none() && field.is_in(self.version) {
                self.field = field.name;
                self.value(&field.kind)?;
            }
        }
        if self.is_flexible {
            self.tagged_fields(fields)?;
        }
        Ok(())
    }

    fn value(&mut self, kind: &Kind) -> Result<(), Fault> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::String if self.is_flexible => self.sized_compact(),
            Kind::String => match self.take::<2>().map(i16::from_be_bytes)? {
                -1 => Ok(()),
                length => self.skip(usize::try_from(length).map_err(|_| Fault::Short)?),
            },
            Kind::Bytes if self.is_flexible => self.sized_compact(),
            Kind::Bytes => {
                let length = self.length()?;
                self.skip(length)
            }
            Kind::Array(element) => self.array(element),
            Kind::Struct(fields) => self.fields(fields),
            Kind::OptionStruct(fields) => match self.take::<1>().map(i8::from_be_bytes)? {
                1 => self.fields(fields),
                -1 => Ok(()),
                _ => Err(Fault::Number),
            },
        }
    }

    fn array(&mut self, element: &Kind) -> Result<(), Fault> {
        let count = if self.is_flexible {
            self.compact_length()?
        } else {
            self.length()?
        };
        self.count_elements(count)?;
        if let Kind::Fixed(size) = element {
            return self.skip(count.saturating_mul(*size));
        }
        for _ in 0..count {
            self.value(element)?;
        }
        Ok(())
    }

    fn tagged_fields(&mut self, fields: &[Field]) -> Result<(), Fault> {
        let count = self.varint()?;
        self.count_elements(count)?;
        for _ in 0..count {
            let tag = self.varint()?;
            let size = self.varint()?;
            let end = self.rest.len().checked_sub(size).ok_or(Fault::Short)?;
            let known = fields
                .iter()
                .find(|field| field.tag.is_some_and(|known| known as usize == tag));
            match known {
                Some(field) => self.value(&field.kind)?,
                None => self.skip(size)?,
            }
            // The decoder goes by the kind of a field it knows, and not by the size that was sent.
            if self.rest.len() != end {
                return Err(Fault::Number);
            }
        }
        Ok(())
    }

    /// Every element takes a byte at least, so there are no more of them than bytes.
    fn count_elements(&mut self, count: usize) -> Result<(), Fault> {
        if count > self.rest.len() {
            return Err(Fault::Short);
        }
        let left = self.elements_left.checked_sub(count);
        self.elements_left = left.ok_or(Fault::Elements)?;
        Ok(())
    }

    fn sized_compact(&mut self) -> Result<(), Fault> {
        let length = self.compact_length()?;
        self.skip(length)
    }

    /// A length as a signed number of four bytes; -1 stands for null.
    fn length(&mut self) -> Result<usize, Fault> {
        match self.take::<4>().map(i32::from_be_bytes)? {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| Fault::Short),
        }
    }

    /// A length as an unsigned varint that is one more; 0 stands for null.
    fn compact_length(&mut self) -> Result<usize, Fault> {
        Ok(self.varint()?.saturating_sub(1))
    }

    fn varint(&mut self) -> Result<usize, Fault> {
        let mut value = 0_usize;
        for index in 0..5 {
            let [byte] = self.take::<1>()?;
            value |= usize::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                let fits = u32::try_from(value).is_ok();
                return if fits { Ok(value) } else { Err(Fault::Number) };
            }
        }
        Err(Fault::Number)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Fault::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        self.rest = self.rest.get(count..).ok_or(Fault::Short)?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
