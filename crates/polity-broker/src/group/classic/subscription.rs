//! What a consumer says it subscribes to, as far as the coordinator must know.
//!
//! Source: the schema `ConsumerProtocolSubscription`, of which every version begins with the topics.

use std::collections::BTreeSet;

use bytes::Bytes;
use smol_str::SmolStr;

use super::ClassicGroup;
use crate::journal::fields::{Form, Reader};

/// The protocol type of consumers; metadata of another one is not ours to read.
const CONSUMER: &str = "consumer";

/// The topics of a consumer's metadata; `None` where it is not what consumers send.
pub(super) fn topics(metadata: &Bytes) -> Option<BTreeSet<SmolStr>> {
    let mut reader = Reader::new(metadata.clone(), Form::Classic);
    reader.i16().ok().filter(|version| *version >= 0)?;
    let topics = reader.list(Reader::text).ok()?;
    Some(topics.into_iter().collect())
}

impl ClassicGroup {
    /// The topics its members subscribe to; `None` where that cannot be known: another protocol type,
    /// or metadata that no consumer sends.
    pub fn subscribed_topics(&self) -> Option<BTreeSet<SmolStr>> {
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        if self.protocol_type != CONSUMER {
            return None;
        }
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            for (_, metadata) in &member.protocols {
                all.extend(topics(metadata)?);
            }
        }
        Some(all)
    }
}
