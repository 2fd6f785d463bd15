//! About how much memory the groups take, so that it is bounded whoever comes.
//!
//! Counts of groups and members alone do not bound it: each may say a lot. What is counted is what
//! grows with what clients send; the exact size of a tree's node does not matter.

use super::{Coordinator, Kind};
use crate::group::classic::{Join, Sync};
use crate::group::consumer::Heartbeat;
use crate::group::error::Error;
use crate::group::id::GroupId;

/// A group's bytes: of its members, and of its offsets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    members: usize,
    offsets: usize,
}

impl Weight {
    pub(super) fn total(self) -> usize {
        self.members + self.offsets
    }
}

impl Coordinator {
    /// Whether so much more can be borne.
    pub(super) fn bear(&self, more: usize) -> Result<(), Error> {
        match self.weight.saturating_add(more) <= self.settings.max_memory {
            true => Ok(()),
            false => Err(Error::TooManyGroups),
        }
    }

    /// After a change of a group: it is weighed anew, and forgotten if it is nothing any more.
    pub(super) fn weigh(&mut self, id: &GroupId) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let members = match &group.kind {
            Kind::Classic(group) => group.weight(),
            Kind::Consumer(group) => group.weight(),
        };
        let before = group.weight.total();
        group.weight.members = members;
        group.weight.offsets = group.offsets.weight();
        self.weight = self.weight.saturating_sub(before) + group.weight.total();
        if group.is_blank() {
            self.forget(id);
        }
    }

    /// The same where only offsets have changed, which is often and must not cost by the member.
    pub(super) fn weigh_offsets(&mut self, id: &GroupId) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let before = group.weight.total();
        group.weight.offsets = group.offsets.weight();
        self.weight = self.weight.saturating_sub(before) + group.weight.total();
        if group.is_blank() {
            self.forget(id);
        }
    }
}

impl Join {
    pub(super) fn weight(&self) -> usize {
        let sizes = self
            .protocols
            .iter()
            .map(|(name, data)| name.len() + data.len());
        self.client.weight() + sizes.sum::<usize>()
    }
}

impl Sync {
    pub(super) fn weight(&self) -> usize {
        self.assignments.iter().map(|(_, data)| data.len()).sum()
    }
}

impl Heartbeat {
    pub(super) fn weight(&self) -> usize {
        let topics = self.topics.iter().flatten();
        self.client.weight() + topics.map(|topic| topic.len()).sum::<usize>()
    }
}

#[cfg(test)]
impl Coordinator {
    /// The sum that is kept up to date is the sum.
    pub(crate) fn check_weight(&self) {
        let weigh = |group: &super::Group| {
            let members = match &group.kind {
                Kind::Classic(group) => group.weight(),
                Kind::Consumer(group) => {
                    group.check_weight();
                    group.weight()
                }
            };
            members + group.offsets.weigh()
        };
        let sum: usize = self.groups.values().map(weigh).sum();
        assert_eq!(self.weight, sum);
    }
}
