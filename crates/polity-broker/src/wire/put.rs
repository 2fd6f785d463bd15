//! The protocol's primitive types, written one after the other.

/// Writes what a message is made of, in the plain or the flexible form (KIP-482).
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) out: Vec<u8>,
    pub(crate) is_flexible: bool,
}

impl Put {
    pub(crate) fn int16(&mut self, value: i16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn int32(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn int64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Bytes of a length that both sides know.
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    /// How many elements an array has.
    pub(crate) fn count(&mut self, count: usize) {
        self.length(count);
    }

    /// How many bytes follow.
    pub(crate) fn length(&mut self, length: usize) {
        if self.is_flexible {
            self.varint(length + 1);
        } else {
            // What is answered is bounded far below two gigabytes.
            self.int32(i32::try_from(length).unwrap_or(i32::MAX));
        }
    }

    /// A name of less than 32 KiB.
    pub(crate) fn string(&mut self, value: &str) {
        if self.is_flexible {
            self.varint(value.len() + 1);
        } else {
            self.int16(i16::try_from(value.len()).unwrap_or(i16::MAX));
        }
        self.bytes(value.as_bytes());
    }

    /// The end of a struct.
    pub(crate) fn no_tagged_fields(&mut self) {
        if self.is_flexible {
            self.varint(0);
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
