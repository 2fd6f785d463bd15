//! Consumer groups and how far they are behind.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId,
    ListGroupsRequest, OffsetFetchRequest,
};
use polity_console::view::{Group, GroupOffset};

use super::cluster::{Cluster, End, string};
use super::{Error, Kafka};

const LIST_GROUPS: i16 = 5;
const FIND_COORDINATOR: i16 = 3;
const DESCRIBE_GROUPS: i16 = 5;
const CONSUMER_GROUP_DESCRIBE: i16 = 0;
const OFFSET_FETCH: i16 = 7;

/// The type of groups of the protocol before KIP-848, and of brokers that do not say.
const CLASSIC: [&str; 2] = ["", "classic"];

/// The type of groups of KIP-848.
const CONSUMER: &str = "consumer";

/// A group as it is listed: its name, state and type.
struct Listed {
    name: String,
    state: String,
    kind: String,
}

impl Kafka {
    /// Every consumer group with its lag.
    pub async fn groups(&self) -> Result<Vec<Group>, Error> {
        let mut cluster = self.connect().await?;
        let mut groups = Vec::new();
        for listed in cluster.list_groups().await? {
            let coordinator = cluster.coordinator(&listed.name).await?;
            let members = cluster.members(coordinator, &listed).await?;
            let committed = cluster.committed(coordinator, &listed.name).await?;
            groups.push((listed, members, committed));
        }
        let ends = cluster
            .ends(groups.iter().map(|(_, _, committed)| committed))
            .await?;
        let mut groups: Vec<Group> = groups
            .into_iter()
            .map(|(listed, members, committed)| group(listed, members, committed, &ends))
            .collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(groups)
    }
}

/// Committed offsets by topic and partition.
type Offsets = BTreeMap<(String, i32), i64>;

fn group(listed: Listed, members: u32, committed: Offsets, ends: &Offsets) -> Group {
    let offset = |(at, committed): ((String, i32), i64)| {
        let end = ends.get(&at).copied();
        GroupOffset {
            topic: at.0,
            partition: at.1,
            committed,
            end,
            // What was committed may have been deleted since, or the topic made anew.
            lag: end.map(|end| u64::try_from(end - committed).unwrap_or(0)),
        }
    };
    let offsets: Vec<GroupOffset> = committed.into_iter().map(offset).collect();
    Group {
        name: listed.name,
        state: listed.state,
        members,
        lag: offsets.iter().filter_map(|offset| offset.lag).sum(),
        offsets,
    }
}

impl Cluster {
    /// Each broker knows the groups it coordinates.
    async fn list_groups(&mut self) -> Result<Vec<Listed>, Error> {
        let brokers: Vec<i32> = self.brokers.keys().copied().collect();
        let mut groups = Vec::new();
        for broker in brokers {
            let request = ListGroupsRequest::default();
            let answer = self.ask_at(broker, LIST_GROUPS, &request).await?;
            Error::check(answer.error_code, None, || "to list groups".to_owned())?;
            let listed = answer.groups.into_iter().map(|group| Listed {
                name: group.group_id.0.to_string(),
                state: group.group_state.to_string(),
                kind: group.group_type.to_string(),
            });
            groups.extend(
                listed.filter(|group| {
                    CLASSIC.contains(&group.kind.as_str()) || group.kind == CONSUMER
                }),
            );
        }
        Ok(groups)
    }

    async fn coordinator(&mut self, group: &str) -> Result<i32, Error> {
        let request = FindCoordinatorRequest::default().with_key(string(group));
        let answer = self.ask(FIND_COORDINATOR, &request).await?;
        let what = || format!("to say who coordinates group `{group}`");
        Error::check(answer.error_code, answer.error_message.as_deref(), what)?;
        Ok(answer.node_id.0)
    }

    async fn members(&mut self, coordinator: i32, group: &Listed) -> Result<u32, Error> {
        let ids = vec![GroupId(string(&group.name))];
        let members = if group.kind == CONSUMER {
            let request = ConsumerGroupDescribeRequest::default().with_group_ids(ids);
            let answer = self
                .ask_at(coordinator, CONSUMER_GROUP_DESCRIBE, &request)
                .await?;
            answer.groups.first().map(|group| group.members.len())
        } else {
            let request = DescribeGroupsRequest::default().with_groups(ids);
            let answer = self.ask_at(coordinator, DESCRIBE_GROUPS, &request).await?;
            answer.groups.first().map(|group| group.members.len())
        };
        Ok(members
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0))
    }

    async fn committed(&mut self, coordinator: i32, group: &str) -> Result<Offsets, Error> {
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(string(group)))
            .with_topics(None);
        let answer = self.ask_at(coordinator, OFFSET_FETCH, &request).await?;
        let what = || format!("to tell the offsets of group `{group}`");
        Error::check(answer.error_code, None, what)?;
        let mut offsets = Offsets::new();
        for topic in answer.topics {
            let name = topic.name.0.to_string();
            for partition in topic.partitions {
                // Less than nothing: none committed.
                if partition.committed_offset >= 0 {
                    let at = (name.clone(), partition.partition_index);
                    offsets.insert(at, partition.committed_offset);
                }
            }
        }
        Ok(offsets)
    }

    /// The ends of every partition of the topics that these groups consume.
    async fn ends<'a>(
        &mut self,
        committed: impl Iterator<Item = &'a Offsets>,
    ) -> Result<Offsets, Error> {
        let names: BTreeSet<&str> = committed
            .flat_map(|offsets| offsets.keys().map(|(topic, _)| topic.as_str()))
            .collect();
        let topics = self.find_topics(names).await?;
        self.offsets(&topics, End::Last).await
    }
}
