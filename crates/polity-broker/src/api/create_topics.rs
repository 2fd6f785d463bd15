//! CreateTopics: topics with their partitions and settings.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use polity_core::TopicName;
use polity_log::{MAX_PARTITIONS, TopicConfig};
use uuid::Uuid;

use crate::api::{self, Call, describe_configs};
use crate::errors::Failure;
use crate::node::{NODE_ID, Node};
use crate::topics;

/// Partitions that one request may ask for, as in Kafka: each takes some work of the disk.
const MAX_ASKED: usize = 10_000;

/// A topic as it is to be.
struct Wanted {
    name: TopicName,
    partitions: u32,
    config: TopicConfig,
}

pub(crate) async fn handle(
    node: &Arc<Node>,
    call: &Call,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut times = HashMap::new();
    for topic in &request.topics {
        *times.entry(topic.name.clone()).or_insert(0_usize) += 1;
    }
    let asked: usize = request.topics.iter().map(|topic| asked(node, topic)).sum();
    let mut results = Vec::new();
    for topic in &request.topics {
        // What is named twice is refused, and answered once.
        let created = match times.remove(&topic.name) {
            None => continue,
            Some(1) if asked <= MAX_ASKED => create(node, topic, request.validate_only).await,
            Some(1) => Err(Failure::because(
                ResponseError::PolicyViolation,
                format!("more than {MAX_ASKED} partitions at once"),
            )),
            Some(_) => Err(Failure::because(
                ResponseError::InvalidRequest,
                "it is named twice",
            )),
        };
        let result = CreatableTopicResult::default()
            .with_name(topic.name.clone())
            .with_error_message(None);
        results.push(match created {
            Ok((wanted, id)) => describe(node, call, result, &wanted, id),
            Err(failure) => result
                .with_error_code(failure.code)
                .with_error_message(failure.message)
                .with_configs(None),
        });
    }
    CreateTopicsResponse::default().with_topics(results)
}

async fn create(
    node: &Arc<Node>,
    topic: &CreatableTopic,
    is_trial: bool,
) -> Result<(Wanted, Uuid), Failure> {
    let wanted = check(node, topic)?;
    if is_trial {
        return Ok((wanted, Uuid::nil()));
    }
    let made = node.create_topic(
        wanted.name.clone(),
        Some(wanted.partitions),
        wanted.config.clone(),
    );
    let made = made.await?;
    Ok((wanted, Uuid::from_bytes(made.id().0)))
}

fn check(node: &Node, topic: &CreatableTopic) -> Result<Wanted, Failure> {
    let name = topics::checked(&topic.name)?;
    if topics::is_internal(name.as_str()) || node.log.topic(name.as_str()).is_some() {
        let why = format!("the topic {name} exists");
        return Err(Failure::because(ResponseError::TopicAlreadyExists, why));
    }
    let mut config = node.default_topic();
    for entry in &topic.configs {
        let value = entry.value.as_ref();
        let value = value.ok_or_else(|| {
            Failure::because(
                ResponseError::InvalidConfig,
                format!("{} has no value", entry.name),
            )
        })?;
        describe_configs::set(&mut config, &entry.name, value)?;
    }
    Ok(Wanted {
        name,
        partitions: partitions(node, topic)?,
        config,
    })
}

/// How many partitions a topic would have; one where that is refused for itself, or asked for wrongly.
fn asked(node: &Node, topic: &CreatableTopic) -> usize {
    partitions(node, topic).map_or(1, |count| count as usize)
}

/// How many partitions are asked for: by their number, or by a list of who is to have each.
fn partitions(node: &Node, topic: &CreatableTopic) -> Result<u32, Failure> {
    let invalid = |error, why: &str| Err(Failure::because(error, why));
    if topic.assignments.is_empty() {
        if !matches!(topic.replication_factor, -1 | 1) {
            let why = "there is one node, so the replication factor is 1";
            return invalid(ResponseError::InvalidReplicationFactor, why);
        }
        let asked = match topic.num_partitions {
            -1 => node.config.default_partitions,
            asked => u32::try_from(asked).unwrap_or(0),
        };
        if !(1..=MAX_PARTITIONS).contains(&asked) {
            let why = format!("a topic has 1 to {MAX_PARTITIONS} partitions");
            return invalid(ResponseError::InvalidPartitions, &why);
        }
        return Ok(asked);
    }
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        let why =
            "with an assignment, neither partitions nor replicas are counted: give -1 for both";
        return invalid(ResponseError::InvalidRequest, why);
    }
    let mut indexes: Vec<_> = topic
        .assignments
        .iter()
        .map(|it| it.partition_index)
        .collect();
    indexes.sort_unstable();
    let is_whole = indexes.iter().copied().eq(0..api::number(indexes.len()));
    let is_here = |ids: &[BrokerId]| ids == [BrokerId(NODE_ID)];
    if !is_whole || !topic.assignments.iter().all(|it| is_here(&it.broker_ids)) {
        let why = format!(
            "partitions are numbered from 0, and each is on broker {NODE_ID}, the only one"
        );
        return invalid(ResponseError::InvalidReplicaAssignment, &why);
    }
    match u32::try_from(indexes.len()) {
        Ok(count) if count <= MAX_PARTITIONS => Ok(count),
        _ => invalid(ResponseError::InvalidPartitions, "too many partitions"),
    }
}

fn describe(
    node: &Node,
    call: &Call,
    result: CreatableTopicResult,
    wanted: &Wanted,
    id: Uuid,
) -> CreatableTopicResult {
    if call.version < 5 {
        return result;
    }
    let configs = describe_configs::entries(node, &wanted.config).map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(entry.name))
            .with_value(Some(StrBytes::from_string(entry.value)))
            .with_config_source(entry.source)
    });
    let result = result
        .with_num_partitions(api::number(wanted.partitions))
        .with_replication_factor(1)
        .with_configs(Some(configs.collect()));
    if call.version >= 7 {
        result.with_topic_id(id)
    } else {
        result
    }
}
