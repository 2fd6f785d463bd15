//! A committed offset as it is written down.

use bytes::Bytes;
use smol_str::SmolStr;

use super::{begin_value, open_value};
use crate::journal::fields::{FieldError, Form};

/// What was committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetValue {
    /// The next offset to consume.
    pub offset: i64,
    /// The leader epoch of the last record consumed; -1 if the client did not say.
    pub leader_epoch: i32,
    /// What the client wanted to be kept with it.
    pub metadata: SmolStr,
    /// When it was committed, in ms since the Unix epoch.
    pub committed_at_ms: i64,
    /// When it expires by the client's own wish (OffsetCommit before v5), in ms since the Unix epoch.
    pub expires_at_ms: Option<i64>,
}

impl OffsetValue {
    /// Version 3, or 1 where an expiry is asked for, as only that one has it.
    pub(super) fn encode(&self) -> Bytes {
        let version = if self.expires_at_ms.is_some() { 1 } else { 3 };
        let mut value = begin_value(version, Form::Classic);
        value.i64(self.offset);
        if version == 3 {
            value.i32(self.leader_epoch);
        }
        value.text(&self.metadata);
        value.i64(self.committed_at_ms);
        if let Some(expires) = self.expires_at_ms {
            value.i64(expires);
        }
        value.finish()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, FieldError> {
        let (version, mut value) = open_value(bytes, 0..=4, 4)?;
        let offset = value.i64()?;
        let leader_epoch = if version >= 3 { value.i32()? } else { -1 };
        let metadata = value.text()?;
        let committed_at_ms = value.i64()?;
        let expires = if version == 1 { value.i64()? } else { -1 };
        value.no_tags()?;
        Ok(Self {
            offset,
            leader_epoch,
            metadata,
            committed_at_ms,
            expires_at_ms: (expires >= 0).then_some(expires),
        })
    }
}
