//! OffsetFetch: how far groups have come.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use smol_str::SmolStr;

use super::group_text::{id, on_wire, text};
use crate::api::Call;
use crate::group::{Coordinator, Error, GroupId, Offsets, TopicPartition};
use crate::node::Node;

/// The first version that asks for several groups.
const SEVERAL: i16 = 8;

/// What is asked of one group: topics and partitions, or all there are.
type Asked = Option<Vec<(SmolStr, Vec<i32>)>>;

/// What one group is answered, by topic.
type Found = BTreeMap<SmolStr, Vec<OffsetFetchResponsePartitions>>;

pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let is_stable = request.require_stable;
    if call.version < SEVERAL {
        return one(node, call, &request).await;
    }
    let found = node.groups.ask(|groups, _| {
        let asked = request.groups.iter();
        asked
            .map(|group| of_group(groups, group, is_stable))
            .collect()
    });
    let groups = found.await.unwrap_or_else(|error| {
        let asked = request.groups.iter();
        asked.map(|group| failed(group, error)).collect()
    });
    OffsetFetchResponse::default().with_groups(groups)
}

/// As before version 8: one group, without a place for it.
async fn one(node: &Node, call: &Call, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    let topics = request.topics.as_ref();
    let read =
        |topic: &OffsetFetchRequestTopic| (text(&topic.name), topic.partition_indexes.clone());
    let asked = topics.map(|topics| topics.iter().map(read).collect());
    let group: GroupId = id(&request.group_id);
    let found = node
        .groups
        .ask(|groups, _| fetch(groups, &group, asked, request.require_stable));
    let found = match found.await {
        Ok(found) => found,
        // Version 1 has a place for errors at the partitions alone.
        Err(error) if call.version >= 2 => {
            return OffsetFetchResponse::default().with_error_code(error.code());
        }
        Err(error) => unavailable(request, error),
    };
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|it| {
            // There is no place for it before version 5.
            let epoch = if call.version >= 5 {
                it.committed_leader_epoch
            } else {
                -1
            };
            OffsetFetchResponsePartition::default()
                .with_partition_index(it.partition_index)
                .with_committed_offset(it.committed_offset)
                .with_committed_leader_epoch(epoch)
                .with_metadata(it.metadata)
                .with_error_code(it.error_code)
        });
        OffsetFetchResponseTopic::default()
            .with_name(on_wire(&name).into())
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

fn unavailable(request: &OffsetFetchRequest, error: Error) -> Found {
    let topics = request.topics.iter().flatten();
    topics
        .map(|topic| {
            let partitions = topic.partition_indexes.iter();
            let partitions =
                partitions.map(|index| no_offset(*index).with_error_code(error.code()));
            (text(&topic.name), partitions.collect())
        })
        .collect()
}

fn asked_of(group: &OffsetFetchRequestGroup) -> Asked {
    let read =
        |topic: &OffsetFetchRequestTopics| (text(&topic.name), topic.partition_indexes.clone());
    Some(group.topics.as_ref()?.iter().map(read).collect())
}

fn of_group(
    groups: &Coordinator,
    group: &OffsetFetchRequestGroup,
    is_stable: bool,
) -> OffsetFetchResponseGroup {
    let name: GroupId = id(&group.group_id);
    let member = group.member_id.as_ref().map(id).unwrap_or_default();
    if let Err(error) = groups.validate_fetch(&name, &member, group.member_epoch) {
        return failed(group, error);
    }
    let found = fetch(groups, &name, asked_of(group), is_stable);
    let topics = found.into_iter().map(|(name, partitions)| {
        OffsetFetchResponseTopics::default()
            .with_name(on_wire(&name).into())
            .with_partitions(partitions)
    });
    OffsetFetchResponseGroup::default()
        .with_group_id(group.group_id.clone())
        .with_topics(topics.collect())
}

fn failed(group: &OffsetFetchRequestGroup, error: Error) -> OffsetFetchResponseGroup {
    OffsetFetchResponseGroup::default()
        .with_group_id(group.group_id.clone())
        .with_error_code(error.code())
}

fn fetch(groups: &Coordinator, group: &GroupId, asked: Asked, is_stable: bool) -> Found {
    let nothing = Offsets::default();
    let offsets = groups.offsets(group).unwrap_or(&nothing);
    let asked = asked.unwrap_or_else(|| {
        let all = offsets
            .iter()
            .map(|(at, _)| (at.topic.clone(), vec![at.partition]));
        all.collect()
    });
    let mut found = Found::new();
    for (topic, partitions) in asked {
        let answered = found.entry(topic.clone()).or_default();
        for partition in partitions {
            let at = TopicPartition::new(topic.clone(), partition);
            let response = no_offset(partition);
            answered.push(match offsets.fetch(&at, is_stable) {
                Ok(Some(value)) => response
                    .with_committed_offset(value.offset)
                    .with_committed_leader_epoch(value.leader_epoch)
                    .with_metadata(Some(on_wire(&value.metadata))),
                Ok(None) => response,
                Err(error) => response.with_error_code(error.code()),
            });
        }
    }
    found
}

fn no_offset(partition: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(partition)
        .with_committed_offset(-1)
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(Default::default()))
}
