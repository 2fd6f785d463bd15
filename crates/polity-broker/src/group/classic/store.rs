//! A classic group to and from the journal.

use std::time::Duration;

use smol_str::SmolStr;

use super::member::{Client, Member};
use super::{ClassicGroup, State};
use crate::group::context::Call;
use crate::group::id::GroupId;
use crate::group::record::{ClassicMemberValue, ClassicValue, Record};
use crate::journal::AppendError;
use crate::now::Now;

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn duration(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

impl ClassicGroup {
    pub(super) fn save(&self, call: &mut Call) -> Result<(), AppendError> {
        let record = Record::Classic(self.id.clone(), Some(self.value()));
        call.append(&[record]).map(drop)
    }

    /// As it is written down.
    pub(in crate::group) fn value(&self) -> ClassicValue {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| ClassicMemberValue {
            id: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client.id.clone(),
            client_host: member.client.host.clone(),
            rebalance_timeout_ms: milliseconds(member.rebalance_timeout),
            session_timeout_ms: milliseconds(member.session_timeout),
            subscription: member.metadata(protocol).cloned().unwrap_or_default(),
            assignment: member.assignment.clone(),
        });
        ClassicValue {
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: self.state_since_ms,
            members: members.collect(),
        }
    }

    /// What the journal must hold of it now, where it must.
    #[cfg(test)]
    pub(in crate::group) fn stored(&self) -> Option<ClassicValue> {
        let is_saved = self.generation > 0 && self.unsaved_until.is_none();
        let settled = matches!(self.state, State::Empty | State::Stable);
        (is_saved && settled).then(|| self.value())
    }

    /// As it was written down. Sessions begin now: nobody could heartbeat while nobody listened.
    pub(in crate::group) fn restore(id: GroupId, value: ClassicValue, now: Now) -> Self {
        let mut group = Self::new(id);
        group.state = match value.members.is_empty() {
            true => State::Empty,
            false => State::Stable,
        };
        group.state_since_ms = value.state_since_ms;
        group.protocol_type = value.protocol_type;
        group.generation = value.generation;
        group.leader = value.leader;
        let protocol = value.protocol.clone().unwrap_or_default();
        group.protocol = value.protocol;
        for value in value.members {
            if let Some(instance) = value.instance.clone() {
                group.instances.insert(instance, value.id.clone());
            }
            let id = value.id.clone();
            group
                .members
                .insert(id, restore_member(value, &protocol, now));
        }
        group
    }
}

fn restore_member(value: ClassicMemberValue, protocol: &SmolStr, now: Now) -> Member {
    let mut member = Member {
        instance: value.instance,
        client: Client {
            id: value.client_id,
            host: value.client_host,
        },
        rebalance_timeout: duration(value.rebalance_timeout_ms),
        session_timeout: duration(value.session_timeout_ms),
        // The others are told at the next join.
        protocols: vec![(protocol.clone(), value.subscription)],
        assignment: value.assignment,
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
        has_synced: true,
        session_until: now.instant,
    };
    member.touch(now.instant);
    member
}
