//! A static member that comes back under a new member id (KIP-345): it takes its old place, and if
//! nothing else has changed nobody else notices.

use super::join::{Join, JoinRefused, Joined};
use super::subscription::topics;
use super::{ClassicGroup, State};
use crate::group::context::{Answer, Call, Ticket};
use crate::group::error::Error;
use crate::group::id::MemberId;
use crate::group::record::Record;

/// Since which version a leader can be told that it is the leader but need not assign (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;

impl ClassicGroup {
    /// `before` is who has the instance id so far. It is fenced.
    pub(super) fn replace_static(
        &mut self,
        call: &mut Call,
        ticket: Ticket,
        join: Join,
        before: &MemberId,
    ) -> Result<(), Error> {
        let owner = join.instance.clone().unwrap_or_default();
        let version = join.version;
        let id = call.new_member_id(owner.as_str());
        let mut next = self.clone();
        next.take_place(call, join, before, &id);
        let goes_on = self.state == State::Stable && next.shares_stand(self, before, &id);
        if goes_on {
            next.state_since_ms = call.now().unix_ms;
            call.append(&[Record::Classic(self.id.clone(), Some(next.value()))])?;
        }
        self.fence(call, before);
        let leader_before = self.leader.clone();
        *self = next;
        if goes_on {
            let joined = self.joined_in_place(version, &id, leader_before);
            call.answer(ticket, Answer::Joined(Ok(joined)));
            return Ok(());
        }
        self.await_join(call, &id, ticket);
        // In CompletingRebalance too: the leader may be about to assign to the id of before.
        self.prepare_rebalance(call);
        self.try_complete_join(call);
        Ok(())
    }

    /// The new id in the place of the old one, with its assignment and the new request's protocols.
    fn take_place(&mut self, call: &Call, join: Join, before: &MemberId, id: &MemberId) {
        let Some(old) = self.members.remove(before) else {
            return;
        };
        let mut member = join.into_member(call);
        member.assignment = old.assignment;
        if let Some(instance) = member.instance.clone() {
            self.instances.insert(instance, id.clone());
        }
        self.members.insert(id.clone(), member);
        if self.is_leader(before) {
            self.leader = Some(id.clone());
        }
    }

    /// Whether the generation's protocol and the member's topics are what they were. Its metadata as
    /// such is not compared: a consumer that has just started owns nothing yet, and says so there.
    fn shares_stand(&self, before: &Self, old: &MemberId, new: &MemberId) -> bool {
        let Some(protocol) = before.protocol.as_deref() else {
            return false;
        };
        let topics_of = |group: &Self, id: &MemberId| {
            let metadata = group.members.get(id)?.metadata(protocol)?;
            topics(metadata)
        };
        self.select_protocol().as_deref() == Some(protocol)
            && topics_of(self, new) == topics_of(before, old)
    }

    /// Answers what the member of before still waits for: it has lost its place.
    fn fence(&mut self, call: &mut Call, before: &MemberId) {
        let Some(old) = self.members.get_mut(before) else {
            return;
        };
        if let Some(ticket) = old.awaiting_join.take() {
            let refused = JoinRefused::new(Error::FencedInstanceId, before.clone());
            call.answer(ticket, Answer::Joined(Err(refused)));
        }
        if let Some(ticket) = old.awaiting_sync.take() {
            call.answer(ticket, Answer::Synced(Err(Error::FencedInstanceId)));
        }
    }

    /// The generation goes on. A leader that came back must not assign anew: it is told so, or, where
    /// the client cannot be told, it is made to believe that the leader is somebody else.
    fn joined_in_place(&self, version: i16, id: &MemberId, leader: Option<MemberId>) -> Joined {
        let mut joined = self.joined(id);
        if !self.is_leader(id) {
            return joined;
        }
        if version >= SKIP_ASSIGNMENT_SINCE {
            joined.skip_assignment = true;
        } else {
            joined.leader = leader.unwrap_or_default();
            joined.members.clear();
        }
        joined
    }
}
