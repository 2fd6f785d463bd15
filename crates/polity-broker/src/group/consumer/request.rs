//! ConsumerGroupHeartbeat: what members say, and what they hear.

use std::time::Duration;

use smol_str::SmolStr;

use super::assignor::Assignor;
use super::{JOIN, LEAVE_STATIC};
use crate::group::classic::Client;
use crate::group::error::Error;
use crate::group::id::{GroupId, InstanceId, MemberId};
use crate::group::record::TopicPartitions;
use crate::group::settings::{MAX_ID_LENGTH, MAX_SUBSCRIBED_TOPICS};
use crate::pattern;

/// A member's time to give up partitions where it does not say; clients always do.
pub(super) const DEFAULT_REBALANCE_TIMEOUT_MS: u64 = 300_000;

/// A ConsumerGroupHeartbeat request. `None` is what has not changed since the last one.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Its version.
    pub version: i16,
    /// The group.
    pub group: GroupId,
    /// The member, by the id it has chosen; v0 may leave it empty at first and is given one.
    pub member: MemberId,
    /// Its epoch; 0 joins, -1 leaves, -2 leaves for a while as a static member.
    pub epoch: i32,
    /// `group.instance.id`.
    pub instance: Option<InstanceId>,
    /// Where it runs.
    pub rack: Option<SmolStr>,
    /// Who sends it.
    pub client: Client,
    /// How long it may take to give up partitions; -1 is unchanged.
    pub rebalance_timeout_ms: i32,
    /// Topics by name.
    pub topics: Option<Vec<SmolStr>>,
    /// Topics by regular expression (v1); empty for none.
    pub regex: Option<SmolStr>,
    /// The assignor it would like.
    pub assignor: Option<SmolStr>,
    /// The partitions it has.
    pub owned: Option<Vec<TopicPartitions>>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatAnswer {
    /// The member's id.
    pub member: MemberId,
    /// Its epoch from now on.
    pub epoch: i32,
    /// When to heartbeat next.
    pub interval: Duration,
    /// What it may have, if that has changed: partitions that are not in it are to be given up.
    pub assignment: Option<Vec<TopicPartitions>>,
}

impl Heartbeat {
    /// What is wrong with it whatever the group is.
    pub(in crate::group) fn validate(&self) -> Result<(), Error> {
        let too_long = |text: Option<&str>| text.is_some_and(|text| text.len() > MAX_ID_LENGTH);
        let instance = self.instance.as_ref().map(InstanceId::as_str);
        let is_wrong = self.epoch < LEAVE_STATIC
            || (self.member.is_empty() && (self.epoch != JOIN || self.version > 0))
            || (self.epoch == LEAVE_STATIC && instance.is_none())
            || instance.is_some_and(str::is_empty)
            || too_long(Some(self.member.as_str()))
            || too_long(instance)
            || too_long(self.rack.as_deref())
            || self.rebalance_timeout_ms < -1
            || self
                .topics
                .as_ref()
                .is_some_and(|it| it.len() > MAX_SUBSCRIBED_TOPICS)
            || (self.epoch == JOIN && !self.can_join());
        if is_wrong {
            return Err(Error::InvalidRequest);
        }
        if self
            .regex
            .as_ref()
            .is_some_and(|it| it.len() > pattern::MAX_LENGTH)
        {
            return Err(Error::InvalidRegularExpression);
        }
        if let Some(name) = &self.assignor {
            Assignor::named(name).ok_or(Error::UnsupportedAssignor)?;
        }
        Ok(())
    }

    /// Who joins says everything, and owns nothing.
    fn can_join(&self) -> bool {
        self.rebalance_timeout_ms >= 0
            && (self.topics.is_some() || self.regex.is_some())
            && self.owned.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether the member says everything, and so wants to hear everything: it may have missed an
    /// answer.
    pub(super) fn is_full(&self) -> bool {
        self.epoch == JOIN
            || (self.rebalance_timeout_ms >= 0
                && (self.topics.is_some() || self.regex.is_some())
                && self.owned.is_some())
    }
}
