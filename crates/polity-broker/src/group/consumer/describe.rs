//! What people and tools are shown of a KIP-848 group: ConsumerGroupDescribe.

use smol_str::SmolStr;

use super::assignment::to_parts;
use super::assignor::Assignor;
use super::{ConsumerGroup, Progress};
use crate::group::id::MemberId;
use crate::group::record::{MemberValue, TopicPartitions};

/// A group in ConsumerGroupDescribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerDescription {
    /// Its state's name.
    pub state: &'static str,
    /// The group's epoch.
    pub epoch: i32,
    /// The epoch of the target assignment.
    pub target_epoch: i32,
    /// The assignor in use.
    pub assignor: &'static str,
    /// Its members.
    pub members: Vec<ConsumerMember>,
}

/// A member in ConsumerGroupDescribe. Topics are by id, for the caller to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerMember {
    /// Its id.
    pub id: MemberId,
    /// Its epoch.
    pub epoch: i32,
    /// What it is and subscribes to.
    pub value: MemberValue,
    /// All topics it subscribes to, by name and by regular expression, sorted.
    pub topics: Vec<SmolStr>,
    /// What it has.
    pub assignment: Vec<TopicPartitions>,
    /// What it should have.
    pub target: Vec<TopicPartitions>,
}

impl ConsumerGroup {
    /// Its state's name, as in KIP-848.
    pub(in crate::group) fn state(&self) -> &'static str {
        let has_all = |current: &super::Current| {
            current.epoch == self.target_epoch && current.progress == Progress::Stable
        };
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch.epoch > self.target_epoch {
            "Assigning"
        } else if self.currents.values().all(|current| has_all(current)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    pub(in crate::group) fn describe(&self) -> ConsumerDescription {
        let wishes = self.members.values().map(|it| it.assignor.as_deref());
        let member = |(id, value): (&MemberId, &std::sync::Arc<MemberValue>)| {
            let current = self.currents.get(id);
            let mut topics: Vec<SmolStr> = self.topics_of(value).cloned().collect();
            topics.sort_unstable();
            topics.dedup();
            ConsumerMember {
                id: id.clone(),
                epoch: current.map_or(super::JOIN, |current| current.epoch),
                value: (**value).clone(),
                topics,
                assignment: current.map_or_else(Vec::new, |current| to_parts(&current.assigned)),
                target: self
                    .targets
                    .get(id)
                    .map_or_else(Vec::new, |target| to_parts(target)),
            }
        };
        ConsumerDescription {
            state: self.state(),
            epoch: self.epoch.epoch,
            target_epoch: self.target_epoch,
            assignor: Assignor::preferred(wishes).name(),
            members: self.members.iter().map(member).collect(),
        }
    }
}
