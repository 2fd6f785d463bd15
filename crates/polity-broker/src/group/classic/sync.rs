//! SyncGroup: the leader brings the assignment, everyone fetches their part.

use bytes::Bytes;
use smol_str::SmolStr;

use super::{ClassicGroup, Sender, State};
use crate::group::context::{Answer, Call, Ticket};
use crate::group::error::Error;
use crate::group::id::{GroupId, InstanceId, MemberId};

/// A SyncGroup request.
#[derive(Debug, Clone)]
pub struct Sync {
    /// The group.
    pub group: GroupId,
    /// Who asks.
    pub member: MemberId,
    /// Its `group.instance.id`.
    pub instance: Option<InstanceId>,
    /// The generation it has joined.
    pub generation: i32,
    /// What it takes for the group's protocol type (v5).
    pub protocol_type: Option<SmolStr>,
    /// What it takes for the protocol chosen (v5).
    pub protocol: Option<SmolStr>,
    /// Who gets what: from the leader only.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// A member's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: SmolStr,
    /// The protocol chosen.
    pub protocol: Option<SmolStr>,
    /// What the leader assigned to the member.
    pub assignment: Bytes,
}

impl ClassicGroup {
    /// Takes the request in; its answer comes with others', now or later.
    pub(in crate::group) fn sync(&mut self, call: &mut Call, ticket: Ticket, sync: Sync) {
        if let Err(error) = self.try_sync(call, ticket, sync) {
            call.answer(ticket, Answer::Synced(Err(error)));
        }
    }

    fn try_sync(&mut self, call: &mut Call, ticket: Ticket, sync: Sync) -> Result<(), Error> {
        self.validate_generation(Sender {
            member: &sync.member,
            instance: sync.instance.as_ref(),
            generation: sync.generation,
        })?;
        let other_type = sync
            .protocol_type
            .is_some_and(|it| it != self.protocol_type);
        let other_protocol = sync.protocol.is_some() && sync.protocol != self.protocol;
        if other_type || other_protocol {
            return Err(Error::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty | State::Dead => Err(Error::UnknownMemberId),
            State::PreparingRebalance => Err(Error::RebalanceInProgress),
            State::CompletingRebalance => {
                self.await_sync(call, &sync.member, ticket);
                if let Some(member) = self.members.get_mut(&sync.member) {
                    member.has_synced = true;
                }
                if self.is_leader(&sync.member) {
                    self.assign(call, sync.assignments);
                }
                Ok(())
            }
            State::Stable => {
                self.await_sync(call, &sync.member, ticket);
                self.answer_syncs(call);
                Ok(())
            }
        }
    }

    /// The leader's word is written down before anybody hears it. Where it cannot be, all join again.
    fn assign(&mut self, call: &mut Call, assignments: Vec<(MemberId, Bytes)>) {
        let mut next = self.clone();
        next.set_state(call, State::Stable);
        for member in next.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = next.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        match next.save(call) {
            Ok(()) => {
                *self = next;
                self.answer_syncs(call);
            }
            Err(error) => {
                self.drop_syncs(call, error.into());
                self.prepare_rebalance(call);
                self.try_complete_join(call);
            }
        }
    }

    fn answer_syncs(&mut self, call: &mut Call) {
        let now = call.now().instant;
        for member in self.members.values_mut() {
            let Some(ticket) = member.awaiting_sync.take() else {
                continue;
            };
            member.has_synced = true;
            member.touch(now);
            let synced = Synced {
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                assignment: member.assignment.clone(),
            };
            call.answer(ticket, Answer::Synced(Ok(synced)));
        }
    }
}
