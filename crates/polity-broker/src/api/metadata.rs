//! Metadata: which topics there are, and who has them. It may make a topic that is asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api::{self, Call};
use crate::connection::Client;
use crate::errors::Failure;
use crate::node::{NODE_ID, Node, Topic};
use crate::topics;

/// Topics that one request may have made by asking for them: each takes some work of the disk. Of those beyond
/// clients are told that they have no leader yet, and ask again.
const MAX_CREATED: usize = 100;

pub(crate) async fn handle(
    node: &Arc<Node>,
    client: &Client,
    call: &Call,
    request: MetadataRequest,
) -> MetadataResponse {
    let endpoint = node.endpoint(client);
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE_ID))
        .with_host(endpoint.host)
        .with_port(endpoint.port);
    let operations = |asked: bool, all: i32| if asked { all } else { i32::MIN };
    let of_topics = operations(
        request.include_topic_authorized_operations,
        topics::OPERATIONS,
    );
    let of_cluster = operations(
        request.include_cluster_authorized_operations,
        api::CLUSTER_OPERATIONS,
    );
    let topics = match request.topics {
        Some(topics) if call.version >= 1 || !topics.is_empty() => {
            let may_create = request.allow_auto_topic_creation && node.config.auto_create_topics;
            asked_for(node, topics, may_create.then_some(MAX_CREATED)).await
        }
        _ => node
            .log
            .topics()
            .values()
            .map(|topic| describe(topic))
            .collect(),
    };
    let with_operations = |topic: MetadataResponseTopic| match topic.error_code {
        0 => topic.with_topic_authorized_operations(of_topics),
        _ => topic,
    };
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_string(node.cluster_id.clone())))
        .with_controller_id(BrokerId(NODE_ID))
        .with_cluster_authorized_operations(of_cluster)
        .with_topics(topics.into_iter().map(with_operations).collect())
}

/// Each topic once, however often it is asked for: an answer must not grow far beyond its request. So many may
/// be made, if any.
async fn asked_for(
    node: &Arc<Node>,
    asked: Vec<MetadataRequestTopic>,
    mut creatable: Option<usize>,
) -> Vec<MetadataResponseTopic> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for topic in asked {
        if !seen.insert((topic.topic_id, topic.name.clone())) {
            continue;
        }
        let response = match &topic.name {
            Some(name) => match by_name(node, name, &mut creatable).await {
                Ok(topic) => describe(&topic),
                Err(failure) => MetadataResponseTopic::default()
                    .with_error_code(failure.code)
                    .with_name(topic.name.clone()),
            },
            None => match node.topic_by_id(topic.topic_id) {
                Some(topic) => describe(&topic),
                None => MetadataResponseTopic::default()
                    .with_error_code(ResponseError::UnknownTopicId.code())
                    .with_topic_id(topic.topic_id),
            },
        };
        found.push(response);
    }
    found
}

async fn by_name(
    node: &Arc<Node>,
    name: &str,
    creatable: &mut Option<usize>,
) -> Result<Arc<Topic>, Failure> {
    if let Some(topic) = node.log.topic(name) {
        return Ok(topic);
    }
    let name = topics::checked(name)?;
    let is_internal = topics::is_internal(name.as_str());
    let left = creatable.as_mut().filter(|_| !is_internal);
    let left = left.ok_or(ResponseError::UnknownTopicOrPartition)?;
    *left = left
        .checked_sub(1)
        .ok_or(ResponseError::LeaderNotAvailable)?;
    let made = node
        .create_topic(name.clone(), None, node.default_topic())
        .await;
    match made {
        Ok(topic) => Ok(topic),
        // Somebody else has just made it.
        Err(failure) => node.log.topic(name.as_str()).ok_or(failure),
    }
}

fn describe(topic: &Topic) -> MetadataResponseTopic {
    let here = || vec![BrokerId(NODE_ID)];
    let partitions = topic.partitions().iter().map(|partition| {
        MetadataResponsePartition::default()
            .with_partition_index(api::number(partition.index()))
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(partition.leader_epoch().0)
            .with_replica_nodes(here())
            .with_isr_nodes(here())
    });
    MetadataResponseTopic::default()
        .with_name(Some(topics::on_wire(topic.name())))
        .with_topic_id(Uuid::from_bytes(topic.id().0))
        .with_is_internal(topics::is_internal(topic.name().as_str()))
        .with_partitions(partitions.collect())
}
