//! CreatePartitions: more partitions for topics that there are.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{BrokerId, CreatePartitionsRequest, CreatePartitionsResponse};
use polity_log::{MAX_PARTITIONS, TopicError};

use crate::errors::Failure;
use crate::node::{NODE_ID, Node};
use crate::topics;

pub(crate) async fn handle(
    node: &Arc<Node>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut results = Vec::new();
    for topic in &request.topics {
        let failure = add(node, topic, request.validate_only).await.err();
        results.push(
            CreatePartitionsTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_code(failure.as_ref().map_or(0, |failure| failure.code))
                .with_error_message(failure.and_then(|failure| failure.message)),
        );
    }
    CreatePartitionsResponse::default().with_results(results)
}

async fn add(
    node: &Arc<Node>,
    asked: &CreatePartitionsTopic,
    is_trial: bool,
) -> Result<(), Failure> {
    let topic = node
        .log
        .topic(&asked.name)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    if topics::is_internal(topic.name().as_str()) {
        let why = "the broker keeps groups and transactions in it";
        return Err(Failure::because(ResponseError::InvalidTopicException, why));
    }
    let has = topic.partitions().len();
    let wanted = usize::try_from(asked.count).unwrap_or(0);
    if wanted <= has || wanted > MAX_PARTITIONS as usize {
        let why = format!(
            "it has {has} partitions: {} to {MAX_PARTITIONS} can be asked for",
            has + 1
        );
        return Err(Failure::because(ResponseError::InvalidPartitions, why));
    }
    let is_here = |ids: &[BrokerId]| ids == [BrokerId(NODE_ID)];
    if let Some(assigned) = &asked.assignments
        && (assigned.len() != wanted - has || !assigned.iter().all(|it| is_here(&it.broker_ids)))
    {
        let why = format!("each new partition is on broker {NODE_ID}, the only one");
        return Err(Failure::because(
            ResponseError::InvalidReplicaAssignment,
            why,
        ));
    }
    if is_trial {
        return Ok(());
    }
    let name = topic.name().clone();
    let to = u32::try_from(wanted).unwrap_or(u32::MAX);
    let grown = node
        .blocking(move |node| {
            let grown = node.log.add_partitions(&name, to)?;
            node.topics.changed(&grown);
            Ok::<_, TopicError>(())
        })
        .await;
    grown.map_err(|error| Failure::from(&error))
}
