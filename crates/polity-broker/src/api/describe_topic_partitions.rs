//! DescribeTopicPartitions: topics a page at a time (KIP-966).

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api;
use crate::node::{NODE_ID, Node, Partition, Topic};
use crate::topics;

/// Partitions in one page (Kafka's `max.request.partition.size.limit`).
const MAX_PAGE: usize = 2000;

pub(crate) fn handle(
    node: &Node,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let mut response = DescribeTopicPartitionsResponse::default();
    let asked = usize::try_from(request.response_partition_limit).unwrap_or(MAX_PAGE);
    let mut left = asked.clamp(1, MAX_PAGE);
    let cursor = request.cursor.as_ref();
    let from = cursor.map(|cursor| (cursor.topic_name.as_str(), cursor.partition_index));
    for name in names(node, request) {
        let first = match from {
            Some((topic, _)) if name.as_str() < topic => continue,
            Some((topic, partition)) if name.as_str() == topic => partition.max(0),
            _ => 0,
        };
        let next = |partition| {
            Cursor::default()
                .with_topic_name(name.clone().into())
                .with_partition_index(partition)
        };
        if left == 0 {
            return response.with_next_cursor(Some(next(first)));
        }
        let Some(topic) = node.log.topic(&name) else {
            response.topics.push(unknown(&name));
            left -= 1;
            continue;
        };
        let skipped = usize::try_from(first).unwrap_or(0);
        let partitions = topic.partitions().get(skipped..).unwrap_or_default();
        let page = partitions.get(..left).unwrap_or(partitions);
        response.topics.push(describe(&topic, page));
        left -= page.len();
        if page.len() < partitions.len() {
            return response.with_next_cursor(Some(next(api::number(skipped + page.len()))));
        }
    }
    response
}

/// What is asked for, or else all there is, by name.
fn names(node: &Node, request: &DescribeTopicPartitionsRequest) -> BTreeSet<StrBytes> {
    if request.topics.is_empty() {
        let topics = node.log.topics();
        return topics.keys().map(|name| topics::on_wire(name).0).collect();
    }
    request
        .topics
        .iter()
        .map(|topic| topic.name.0.clone())
        .collect()
}

fn unknown(name: &StrBytes) -> DescribeTopicPartitionsResponseTopic {
    let error = match topics::checked(name) {
        Ok(_) => ResponseError::UnknownTopicOrPartition.code(),
        Err(failure) => failure.code,
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error)
        .with_name(Some(name.clone().into()))
}

fn describe(topic: &Topic, page: &[Arc<Partition>]) -> DescribeTopicPartitionsResponseTopic {
    let here = || vec![BrokerId(NODE_ID)];
    let partitions = page.iter().map(|partition| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(api::number(partition.index()))
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(partition.leader_epoch().0)
            .with_replica_nodes(here())
            .with_isr_nodes(here())
            // They may be null, and Kafka's own client fails where they are.
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    });
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topics::on_wire(topic.name())))
        .with_topic_id(Uuid::from_bytes(topic.id().0))
        .with_is_internal(topics::is_internal(topic.name().as_str()))
        .with_topic_authorized_operations(topics::OPERATIONS)
        .with_partitions(partitions.collect())
}
