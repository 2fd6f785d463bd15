//! ConsumerGroupDescribe: the members of groups of the new protocol, and what each has (KIP-848).

use std::collections::BTreeSet;

use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId as WireId,
};
use uuid::Uuid;

use super::group_text::{id, on_wire};
use crate::api::{Call, GROUP_OPERATIONS};
use crate::group::record;
use crate::group::{ConsumerDescription, ConsumerMember, Error, GroupId};
use crate::node::Node;
use crate::topics;

/// A member that speaks the new protocol, by Kafka's number.
const CONSUMER: i8 = 1;

pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    // Each once, however often it is asked for: an answer must not grow far beyond its request.
    let asked: BTreeSet<WireId> = request.group_ids.into_iter().collect();
    let found = node.groups.ask(|groups, _| {
        let described = asked
            .iter()
            .map(|name| groups.describe_consumer(&id::<GroupId>(name)));
        described.collect::<Vec<_>>()
    });
    let found = found.await;
    let found = match found {
        Ok(found) => found
            .into_iter()
            .map(|it| it.ok_or(Error::GroupIdNotFound))
            .collect(),
        Err(error) => vec![Err(error); asked.len()],
    };
    let operations = match request.include_authorized_operations {
        true => GROUP_OPERATIONS,
        false => i32::MIN,
    };
    let groups = asked.into_iter().zip(found).map(|(name, found)| {
        let group = DescribedGroup::default()
            .with_group_id(name)
            .with_authorized_operations(operations);
        match found {
            Ok(found) => describe(node, call, group, found),
            Err(error) => group
                .with_error_code(error.code())
                .with_error_message(Some(on_wire(&error.to_string()))),
        }
    });
    ConsumerGroupDescribeResponse::default().with_groups(groups.collect())
}

fn describe(
    node: &Node,
    call: &Call,
    group: DescribedGroup,
    found: ConsumerDescription,
) -> DescribedGroup {
    let members = found.members.into_iter().map(|it| member(node, call, it));
    group
        .with_group_state(on_wire(found.state))
        .with_group_epoch(found.epoch)
        .with_assignment_epoch(found.target_epoch)
        .with_assignor_name(on_wire(found.assignor))
        .with_members(members.collect())
}

fn member(node: &Node, call: &Call, member: ConsumerMember) -> Member {
    let value = member.value;
    let topics = member.topics.iter().map(|name| on_wire(name).into());
    let described = Member::default()
        .with_member_id(on_wire(member.id.as_str()))
        .with_instance_id(value.instance.map(|it| on_wire(it.as_str())))
        .with_rack_id(value.rack.map(|it| on_wire(&it)))
        .with_member_epoch(member.epoch)
        .with_client_id(on_wire(&value.client_id))
        .with_client_host(on_wire(&value.client_host))
        .with_subscribed_topic_names(topics.collect())
        .with_subscribed_topic_regex(value.regex.map(|it| on_wire(&it)))
        .with_assignment(assignment(node, member.assignment))
        .with_target_assignment(assignment(node, member.target));
    // There is no place for it in version 0.
    if call.version >= 1 {
        described.with_member_type(CONSUMER)
    } else {
        described
    }
}

/// Partitions of topics that there are, with the topics' names.
fn assignment(node: &Node, parts: Vec<record::TopicPartitions>) -> Assignment {
    let parts = parts.into_iter().filter_map(|part| {
        let topic = node.topic_by_id(part.topic)?;
        let described = TopicPartitions::default()
            .with_topic_id(Uuid::from_bytes(topic.id().0))
            .with_topic_name(topics::on_wire(topic.name()))
            .with_partitions(part.partitions);
        Some(described)
    });
    Assignment::default().with_topic_partitions(parts.collect())
}
