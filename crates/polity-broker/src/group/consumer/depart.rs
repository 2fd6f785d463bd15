//! How members go: by themselves, for a while, or because nothing is heard of them.

use std::time::Instant;

use super::assignment::Assignment;
use super::request::Heartbeat;
use super::subscription::metadata_hash;
use super::{Change, ConsumerGroup, LEAVE_STATIC};
use crate::group::context::Call;
use crate::group::error::Error;
use crate::group::id::MemberId;
use crate::group::record::Record;
use crate::group::settings::STORE_RETRY;
use crate::journal::AppendError;

impl ConsumerGroup {
    pub(super) fn leave(&mut self, call: &mut Call, request: &Heartbeat) -> Result<(), Error> {
        self.check_holder(&request.member, request)?;
        self.remove_members(call, std::slice::from_ref(&request.member))?;
        Ok(())
    }

    /// A static member keeps what it has until its session ends: whoever comes with its instance id
    /// takes over.
    pub(super) fn leave_for_a_while(
        &mut self,
        call: &mut Call,
        request: &Heartbeat,
    ) -> Result<(), Error> {
        let id = &request.member;
        self.check_holder(id, request)?;
        let current = self.currents.get(id).ok_or(Error::UnknownMemberId)?;
        let mut away = (**current).clone();
        away.previous_epoch = away.epoch;
        away.epoch = LEAVE_STATIC;
        away.progress = super::Progress::Stable;
        away.revoking = Assignment::new();
        let mut change = Change::of(self, call);
        change.put(|group| Record::Current(group, id.clone(), Some(away.to_value())));
        change.commit(self, call)?;
        Ok(())
    }

    /// When [`ConsumerGroup::expire`] next has something to do, at the earliest.
    pub(in crate::group) fn next_deadline(&self) -> Option<Instant> {
        let all = self.sessions.values().chain(self.revocations.values());
        all.min().copied()
    }

    /// Gives up the members whose time is over.
    pub(in crate::group) fn expire(&mut self, call: &mut Call) {
        let now = call.now().instant;
        let all = self.sessions.iter().chain(&self.revocations);
        let mut due: Vec<MemberId> = all
            .filter(|(_, until)| **until <= now)
            .map(|(id, _)| id.clone())
            .collect();
        due.sort_unstable();
        due.dedup();
        if !due.is_empty() && self.remove_members(call, &due).is_err() {
            for until in self
                .sessions
                .values_mut()
                .chain(self.revocations.values_mut())
            {
                *until = (*until).max(now + STORE_RETRY);
            }
        }
    }

    fn remove_members(&mut self, call: &mut Call, ids: &[MemberId]) -> Result<(), AppendError> {
        let mut change = Change::of(self, call);
        ids.iter().for_each(|id| change.remove(id));
        // Topics that nobody else subscribes to do not count any more.
        let existing = change.group.existing_topics(call.outside.topics);
        change.next_epoch(metadata_hash(&existing));
        change.commit(self, call)
    }
}
