//! What happens to a group by time alone.

use std::time::Instant;

use super::{ClassicGroup, State};
use crate::group::context::Call;
use crate::group::error::Error;
use crate::group::id::MemberId;

impl ClassicGroup {
    /// When [`ClassicGroup::expire`] next has something to do, at the earliest.
    pub(in crate::group) fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.members.values().filter_map(|member| member.expires());
        let pending = self.pending.values().copied();
        let waits = self.rebalance.map(|rebalance| rebalance.until);
        let single = [waits, self.sync_until, self.unsaved_until];
        sessions
            .chain(pending)
            .chain(single.into_iter().flatten())
            .min()
    }

    /// Does what is due.
    pub(in crate::group) fn expire(&mut self, call: &mut Call) {
        let now = call.now().instant;
        let is_due = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        if is_due(self.unsaved_until) {
            self.save_empty(call);
        }
        let sizes = (self.members.len(), self.pending.len());
        self.pending.retain(|_, until| *until > now);
        self.remove_members(call, |member| is_due(member.expires()));
        if is_due(self.sync_until) {
            self.sync_until = None;
            self.remove_members(call, |member| !member.has_synced);
        }
        if self.members.len() != sizes.0 {
            self.after_departure(call);
        } else if self.pending.len() != sizes.1 {
            self.try_complete_join(call);
        }
        let waited = self
            .rebalance
            .is_some_and(|rebalance| rebalance.until <= now);
        if self.state == State::PreparingRebalance && waited {
            self.end_wait(call);
        }
    }

    fn remove_members(&mut self, call: &mut Call, is_over: impl Fn(&super::Member) -> bool) {
        let over = self.members.iter().filter(|(_, member)| is_over(member));
        let over: Vec<MemberId> = over.map(|(id, _)| id.clone()).collect();
        for id in over {
            self.remove_member(call, &id, Error::UnknownMemberId);
        }
    }
}
