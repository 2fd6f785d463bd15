//! Requests written out of their shapes.

use polity_core::{Rng, SplitMix64};

use crate::wire::shape::{Field, Kind, Shape};

/// Writes a request out of its shape alone, every field of it filled.
pub(crate) struct Writer {
    out: Vec<u8>,
    rng: SplitMix64,
    version: i16,
    is_flexible: bool,
}

impl Writer {
    pub(crate) fn write(shape: &Shape, version: i16, seed: u64) -> Vec<u8> {
        let mut writer = Self {
            out: Vec::new(),
            rng: SplitMix64::new(seed),
            version,
            is_flexible: version >= shape.flexible,
        };
        writer.fields(shape.fields);
        writer.out
    }

    fn fields(&mut self, fields: &[Field]) {
        let version = self.version;
        let (tagged, plain): (Vec<_>, Vec<_>) = fields
            .iter()
            .filter(|field| field.is_in(version))
            .partition(|field| field.tag.is_some());
        for field in plain {
            self.value(&field.kind);
        }
        if !self.is_flexible {
            return;
        }
        self.varint(tagged.len() + 1);
        for field in tagged {
            self.varint(field.tag.unwrap_or_default() as usize);
            let before = std::mem::take(&mut self.out);
            self.value(&field.kind);
            let value = std::mem::replace(&mut self.out, before);
            self.varint(value.len());
            self.out.extend(value);
        }
        // One that nobody knows.
        self.varint(1000);
        self.varint(3);
        self.out.extend(b"new");
    }

    fn value(&mut self, kind: &Kind) {
        match kind {
            Kind::Fixed(size) => {
                for _ in 0..*size {
                    let byte = self.below(2) as u8;
                    self.out.push(byte);
                }
            }
            Kind::String => {
                let length = self.below(40);
                if self.is_flexible {
                    self.varint(length + 1);
                } else {
                    self.out.extend((length as i16).to_be_bytes());
                }
                self.out.extend(std::iter::repeat_n(b'x', length));
            }
            Kind::Bytes => {
                let length = self.below(300);
                self.count(length);
                self.out.extend(std::iter::repeat_n(0xff, length));
            }
            Kind::Array(element) => {
                let count = 1 + self.below(3);
                self.count(count);
                for _ in 0..count {
                    self.value(element);
                }
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::OptionStruct(fields) => {
                let there = self.below(2) == 1;
                self.out.push(if there { 1 } else { 0xff });
                if there {
                    self.fields(fields);
                }
            }
        }
    }

    fn count(&mut self, count: usize) {
        if self.is_flexible {
            self.varint(count + 1);
        } else {
            self.out.extend((count as i32).to_be_bytes());
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn below(&mut self, bound: u64) -> usize {
        (self.rng.next_u64() % bound) as usize
    }
}
