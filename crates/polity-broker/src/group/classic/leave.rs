//! LeaveGroup, for several members at once since v3.

use super::{ClassicGroup, State};
use crate::group::context::Call;
use crate::group::error::Error;
use crate::group::id::{InstanceId, MemberId};

/// Who leaves: a member id, an instance id (an administrator removes a static member), or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The member id; may be empty where there is an instance id.
    pub member: MemberId,
    /// The `group.instance.id`.
    pub instance: Option<InstanceId>,
}

impl ClassicGroup {
    /// What became of each, in order.
    pub(in crate::group) fn leave(
        &mut self,
        call: &mut Call,
        all: &[Leaving],
    ) -> Vec<Result<(), Error>> {
        let results: Vec<_> = all.iter().map(|one| self.leave_one(call, one)).collect();
        if results.iter().any(Result::is_ok) {
            self.after_departure(call);
        }
        results
    }

    fn leave_one(&mut self, call: &mut Call, one: &Leaving) -> Result<(), Error> {
        let id = match &one.instance {
            None => one.member.clone(),
            Some(instance) => {
                let current = self.instances.get(instance).ok_or(Error::UnknownMemberId)?;
                if !one.member.is_empty() && *current != one.member {
                    return Err(Error::FencedInstanceId);
                }
                current.clone()
            }
        };
        if self.pending.remove(&id).is_some() {
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(Error::UnknownMemberId);
        }
        self.remove_member(call, &id, Error::UnknownMemberId);
        Ok(())
    }

    /// The rest share what those who left had; a rebalance that waited for them may go on.
    pub(super) fn after_departure(&mut self, call: &mut Call) {
        let lost_a_member = match self.state {
            State::Stable | State::CompletingRebalance => true,
            State::Empty | State::PreparingRebalance | State::Dead => false,
        };
        if lost_a_member {
            self.prepare_rebalance(call);
        }
        self.try_complete_join(call);
    }
}
