//! Which record of a key is the last.

use std::collections::HashMap;

use super::plain;
use crate::batch::{Header, Records};
use crate::id::Offset;

/// Bytes of keys that are held at the same time.
const MAX_BYTES: usize = 32 << 20;

/// What an entry takes beside its key.
const ENTRY: usize = 48;

/// The last offset of each key.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    last: HashMap<Box<[u8]>, Offset>,
    bytes: usize,
}

impl Keys {
    /// Takes note of a batch's records. Says whether there is room for more.
    pub(crate) fn note(&mut self, header: &Header, batch: &[u8]) -> bool {
        if header.attributes.is_control() {
            return true;
        }
        let plain = plain(header, batch).unwrap_or_default();
        for record in Records::new(&plain, header.count).map_while(Result::ok) {
            let Some(key) = record.key else { continue };
            let offset = record.offset(header);
            match self.last.get_mut(key) {
                Some(last) => *last = offset,
                None => {
                    self.bytes += key.len() + ENTRY;
                    self.last.insert(key.into(), offset);
                }
            }
        }
        self.bytes < MAX_BYTES
    }

    /// Whether there is a later record of the key.
    pub(crate) fn is_outdated(&self, key: &[u8], offset: Offset) -> bool {
        self.last.get(key).is_some_and(|last| *last > offset)
    }
}
