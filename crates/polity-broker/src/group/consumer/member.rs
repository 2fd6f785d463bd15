//! Which member a heartbeat comes from, and what it says of itself.

use super::assignment::{Assignment, each, from_parts, has};
use super::request::Heartbeat;
use super::{Change, ConsumerGroup, JOIN, LEAVE_STATIC};
use crate::group::error::Error;
use crate::group::id::MemberId;
use crate::group::record::{MemberValue, Record};
use crate::group::settings::Settings;

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// Nobody so far.
    New,
    /// A member.
    Known,
    /// A static member in the place of that one.
    Successor(MemberId),
}

impl ConsumerGroup {
    pub(super) fn identify(
        &self,
        id: &MemberId,
        request: &Heartbeat,
        settings: &Settings,
    ) -> Result<Identity, Error> {
        let holder = request
            .instance
            .as_ref()
            .and_then(|it| self.instances.get(it));
        if request.epoch != JOIN {
            self.check_holder(id, request)?;
            self.check_epoch(id, request)?;
            return Ok(Identity::Known);
        }
        match holder {
            Some(holder) if holder != id => match self.is_away(holder) {
                true => Ok(Identity::Successor(holder.clone())),
                false => Err(Error::UnreleasedInstanceId),
            },
            _ if self.members.contains_key(id) => Ok(Identity::Known),
            _ if self.members.len() >= settings.max_group_size => Err(Error::GroupMaxSizeReached),
            _ => Ok(Identity::New),
        }
    }

    /// A member, and the one that its instance id now belongs to.
    pub(super) fn check_holder(&self, id: &MemberId, request: &Heartbeat) -> Result<(), Error> {
        if let Some(instance) = &request.instance {
            let holder = self.instances.get(instance).ok_or(Error::UnknownMemberId)?;
            if holder != id {
                return Err(Error::FencedInstanceId);
            }
        }
        match self.members.contains_key(id) {
            true => Ok(()),
            false => Err(Error::UnknownMemberId),
        }
    }

    /// The epoch must be the member's; or the one before, if it has not heard of the new one and has
    /// nothing that it does not have by it.
    fn check_epoch(&self, id: &MemberId, request: &Heartbeat) -> Result<(), Error> {
        let current = self.currents.get(id).ok_or(Error::UnknownMemberId)?;
        if request.epoch == current.epoch {
            return Ok(());
        }
        let owns_no_more = |owned: &Assignment| each(owned).all(|at| has(&current.assigned, at));
        let owned = request.owned.as_deref().map(from_parts);
        let repeats = current.epoch > request.epoch
            && request.epoch == current.previous_epoch
            && owned.as_ref().is_some_and(owns_no_more);
        match repeats {
            true => Ok(()),
            false => Err(Error::FencedMemberEpoch),
        }
    }

    /// A static member that has left for a while.
    fn is_away(&self, id: &MemberId) -> bool {
        self.currents
            .get(id)
            .is_some_and(|it| it.epoch == LEAVE_STATIC)
    }
}

impl Heartbeat {
    /// Whether the member is what it was. Most heartbeats say as little as can be, so that this costs
    /// as little.
    pub(super) fn says_nothing_new(&self, before: &MemberValue) -> bool {
        let is_terse = self.topics.is_none()
            && self.regex.is_none()
            && self.assignor.is_none()
            && self.rack.is_none()
            && self.rebalance_timeout_ms < 0
            && (self.instance.is_none() || self.instance == before.instance)
            && self.client.id == before.client_id
            && self.client.host == before.client_host;
        is_terse || self.merged(Some(before)) == *before
    }

    /// What the member is, by this request and by what it said before.
    pub(super) fn merged(&self, before: Option<&MemberValue>) -> MemberValue {
        let mut value = before.cloned().unwrap_or_else(|| MemberValue {
            instance: None,
            rack: None,
            client_id: Default::default(),
            client_host: Default::default(),
            topics: Vec::new(),
            regex: None,
            rebalance_timeout_ms: -1,
            assignor: None,
        });
        value.instance = self.instance.clone().or(value.instance);
        value.rack = self.rack.clone().or(value.rack);
        value.client_id = self.client.id.clone();
        value.client_host = self.client.host.clone();
        if let Some(topics) = &self.topics {
            value.topics = topics.clone();
            value.topics.sort_unstable();
            value.topics.dedup();
        }
        if let Some(regex) = &self.regex {
            value.regex = Some(regex.clone()).filter(|regex| !regex.is_empty());
        }
        if self.rebalance_timeout_ms >= 0 {
            value.rebalance_timeout_ms = self.rebalance_timeout_ms;
        }
        value.assignor = self.assignor.clone().or(value.assignor);
        value
    }
}

impl Change<'_> {
    /// The member takes over all that the one before had.
    pub(super) fn succeed(&mut self, before: &MemberId, id: &MemberId) {
        let group = &self.group;
        let value = group.members.get(before).map(|it| (**it).clone());
        let target = group
            .targets
            .get(before)
            .map(|it| super::assignment::to_parts(it));
        let assigned = group.currents.get(before).map(|it| it.assigned.clone());
        self.remove(before);
        self.put(|group| Record::Member(group, id.clone(), value));
        self.put(|group| Record::TargetMember(group, id.clone(), target));
        let current = super::Current::joining(assigned.unwrap_or_default());
        self.put(|group| Record::Current(group, id.clone(), Some(current.to_value())));
    }

    pub(super) fn remove(&mut self, id: &MemberId) {
        self.put(|group| Record::Current(group, id.clone(), None));
        self.put(|group| Record::TargetMember(group, id.clone(), None));
        self.put(|group| Record::Member(group, id.clone(), None));
    }
}
