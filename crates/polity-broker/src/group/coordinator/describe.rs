//! What people and tools are shown of groups.

use bytes::Bytes;
use smol_str::SmolStr;

use super::{Coordinator, Kind};
use crate::group::classic::Client;
use crate::group::consumer::ConsumerDescription;
use crate::group::id::{GroupId, InstanceId, MemberId};

/// Which protocol a group speaks (KIP-848).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupType {
    /// JoinGroup and SyncGroup.
    Classic,
    /// ConsumerGroupHeartbeat.
    Consumer,
}

impl GroupType {
    /// Its name in ListGroups v5.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// A line of ListGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The group.
    pub id: GroupId,
    /// Such as `consumer`; empty of a group that only commits offsets.
    pub protocol_type: SmolStr,
    /// Its state's name.
    pub state: &'static str,
    /// Which protocol it speaks.
    pub group_type: GroupType,
}

/// A group in DescribeGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its state's name.
    pub state: &'static str,
    /// Such as `consumer`.
    pub protocol_type: SmolStr,
    /// The protocol chosen; empty but in a stable group.
    pub protocol: SmolStr,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member in DescribeGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub id: MemberId,
    /// Its `group.instance.id`.
    pub instance: Option<InstanceId>,
    /// The client.
    pub client: Client,
    /// What it says for the protocol chosen; empty but in a stable group.
    pub metadata: Bytes,
    /// What it was assigned; empty but in a stable group.
    pub assignment: Bytes,
}

impl Coordinator {
    /// All groups, by name.
    pub fn list(&self) -> impl Iterator<Item = Listed> {
        self.groups.iter().map(|(id, group)| match &group.kind {
            Kind::Classic(group) => Listed {
                id: id.clone(),
                protocol_type: group.protocol_type().clone(),
                state: group.state().name(),
                group_type: GroupType::Classic,
            },
            Kind::Consumer(group) => Listed {
                id: id.clone(),
                protocol_type: "consumer".into(),
                state: group.state(),
                group_type: GroupType::Consumer,
            },
        })
    }

    /// DescribeGroups, of one group. `None` where there is none: `Dead`, or since v6 the error
    /// `GroupIdNotFound`. So are KIP-848 groups here.
    pub fn describe(&self, id: &GroupId) -> Option<Description> {
        match &self.groups.get(id)?.kind {
            Kind::Classic(group) => Some(group.describe()),
            Kind::Consumer(_) => None,
        }
    }

    /// ConsumerGroupDescribe, of one group. `None` where there is none: `GroupIdNotFound`.
    pub fn describe_consumer(&self, id: &GroupId) -> Option<ConsumerDescription> {
        match &self.groups.get(id)?.kind {
            Kind::Classic(_) => None,
            Kind::Consumer(group) => Some(group.describe()),
        }
    }
}
