//! Producers as bytes, for a partition's checkpoint.

use std::collections::BTreeMap;

use super::Producers;
use super::known::{Known, REMEMBERED, Sent};
use crate::checkpoint::{Reader, Writer};
use crate::id::{Offset, ProducerEpoch, ProducerId};

/// What stands for no transaction.
const NO_TRANSACTION: i64 = -1;

impl Producers {
    pub(crate) fn encode(&self, into: &mut Writer) {
        into.u32(self.0.len() as u32);
        for (id, known) in &self.0 {
            into.i64(id.0);
            into.i32(i32::from(known.epoch.0));
            into.i32(known.coordinator_epoch);
            into.i64(known.transaction.map_or(NO_TRANSACTION, |it| it.0));
            into.i64(known.last_offset.0);
            into.i64(known.last_timestamp_ms);
            into.u32(known.batches.len() as u32);
            for sent in &known.batches {
                into.i32(sent.base_sequence);
                into.i32(sent.last_sequence);
                into.i64(sent.base_offset.0);
                into.i64(sent.last_offset.0);
                into.i64(sent.timestamp_ms);
            }
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Option<Self> {
        // More than are remembered otherwise may have transactions open.
        let count = from.u32()?;
        let mut producers = BTreeMap::new();
        for _ in 0..count {
            let id = ProducerId(from.i64()?);
            let mut known = Known::new(ProducerEpoch(i16::try_from(from.i32()?).ok()?));
            known.coordinator_epoch = from.i32()?;
            known.transaction = Some(from.i64()?)
                .filter(|it| *it != NO_TRANSACTION)
                .map(Offset);
            known.last_offset = Offset(from.i64()?);
            known.last_timestamp_ms = from.i64()?;
            for _ in 0..from.u32().filter(|count| *count as usize <= REMEMBERED)? {
                known.batches.push(Sent {
                    base_sequence: from.i32()?,
                    last_sequence: from.i32()?,
                    base_offset: Offset(from.i64()?),
                    last_offset: Offset(from.i64()?),
                    timestamp_ms: from.i64()?,
                });
            }
            producers.insert(id, known);
        }
        Some(Self(producers))
    }
}
