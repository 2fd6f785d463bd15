//! A classic group as it is written down: once for each generation, and when it becomes empty.

use bytes::Bytes;
use smol_str::SmolStr;

use super::{begin_value, open_value};
use crate::group::id::{InstanceId, MemberId};
use crate::journal::fields::{FieldError, Form, Reader};

/// One generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicValue {
    /// Such as `consumer`; empty for a group that never had members.
    pub protocol_type: SmolStr,
    /// The generation.
    pub generation: i32,
    /// The protocol (assignor) chosen; none in an empty group.
    pub protocol: Option<SmolStr>,
    /// Who assigned the partitions; none in an empty group.
    pub leader: Option<MemberId>,
    /// Since when the group is as it is, in ms since the Unix epoch; -1 if it is not known.
    pub state_since_ms: i64,
    /// Its members; none of an empty group.
    pub members: Vec<ClassicMemberValue>,
}

/// A member of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicMemberValue {
    /// Its id.
    pub id: MemberId,
    /// What it is called over restarts, if it is static.
    pub instance: Option<InstanceId>,
    /// The client's id.
    pub client_id: SmolStr,
    /// The client's address.
    pub client_host: SmolStr,
    /// How long a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// How long it is kept without a heartbeat.
    pub session_timeout_ms: i32,
    /// Its metadata for the protocol chosen.
    pub subscription: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}

impl ClassicValue {
    /// Version 3, which every Kafka since 2.3 reads.
    pub(super) fn encode(&self) -> Bytes {
        let mut value = begin_value(3, Form::Classic);
        value.text(&self.protocol_type);
        value.i32(self.generation);
        value.nullable_text(self.protocol.as_deref());
        value.nullable_text(self.leader.as_ref().map(MemberId::as_str));
        value.i64(self.state_since_ms);
        value.list(self.members.iter(), |value, member| {
            value.text(member.id.as_str());
            value.nullable_text(member.instance.as_ref().map(InstanceId::as_str));
            value.text(&member.client_id);
            value.text(&member.client_host);
            value.i32(member.rebalance_timeout_ms);
            value.i32(member.session_timeout_ms);
            value.bytes(&member.subscription);
            value.bytes(&member.assignment);
        });
        value.finish()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, FieldError> {
        let (version, mut value) = open_value(bytes, 0..=4, 4)?;
        let group = Self {
            protocol_type: value.text()?,
            generation: value.i32()?,
            protocol: value.nullable_text()?,
            leader: value.nullable_text()?.map(MemberId::from),
            state_since_ms: if version >= 2 { value.i64()? } else { -1 },
            members: value.list(|value| decode_member(version, value))?,
        };
        value.no_tags()?;
        Ok(group)
    }
}

fn decode_member(version: i16, value: &mut Reader) -> Result<ClassicMemberValue, FieldError> {
    let id = value.text()?.into();
    let instance = match version {
        3.. => value.nullable_text()?.map(InstanceId::from),
        _ => None,
    };
    let (client_id, client_host) = (value.text()?, value.text()?);
    let rebalance_timeout_ms = if version >= 1 {
        Some(value.i32()?)
    } else {
        None
    };
    let session_timeout_ms = value.i32()?;
    let member = ClassicMemberValue {
        id,
        instance,
        client_id,
        client_host,
        // Before KIP-62 there was one timeout for both.
        rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription: value.bytes()?,
        assignment: value.bytes()?,
    };
    value.no_tags()?;
    Ok(member)
}
