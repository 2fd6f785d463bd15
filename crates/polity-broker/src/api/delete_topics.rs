//! DeleteTopics: topics and their records, for good.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use uuid::Uuid;

use crate::errors::Failure;
use crate::node::{Node, Topic};
use crate::topics;

pub(crate) async fn handle(node: &Arc<Node>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    // Up to version 5 by names alone, after that by names or ids.
    let names = request.topic_names.into_iter();
    let named = names.map(|name| DeleteTopicState::default().with_name(Some(name)));
    let mut seen = BTreeSet::new();
    let mut results = Vec::new();
    for asked in named.chain(request.topics) {
        if !seen.insert((asked.name.clone(), asked.topic_id)) {
            continue;
        }
        let result = DeletableTopicResult::default()
            .with_name(asked.name.clone())
            .with_topic_id(asked.topic_id)
            .with_error_message(None);
        let deleted = delete(node, &asked).await;
        results.push(match deleted {
            Ok(topic) => result
                .with_name(Some(topics::on_wire(topic.name())))
                .with_topic_id(Uuid::from_bytes(topic.id().0)),
            Err(failure) => result
                .with_error_code(failure.code)
                .with_error_message(failure.message),
        });
    }
    DeleteTopicsResponse::default().with_responses(results)
}

async fn delete(node: &Arc<Node>, asked: &DeleteTopicState) -> Result<Arc<Topic>, Failure> {
    let topic = match &asked.name {
        Some(_) if !asked.topic_id.is_nil() => {
            let why = "a topic is deleted by its name or by its id, not by both";
            return Err(Failure::because(ResponseError::InvalidRequest, why));
        }
        Some(name) => node
            .log
            .topic(name)
            .ok_or(ResponseError::UnknownTopicOrPartition)?,
        None => node
            .topic_by_id(asked.topic_id)
            .ok_or(ResponseError::UnknownTopicId)?,
    };
    if topics::is_internal(topic.name().as_str()) {
        let why = "the broker keeps groups and transactions in it";
        return Err(Failure::because(ResponseError::InvalidTopicException, why));
    }
    let deleted = node.delete_topic(&topic).await;
    deleted.map_err(|error| Failure::from(&error))?;
    Ok(topic)
}
