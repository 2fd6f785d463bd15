//! AlterConfigs and IncrementalAlterConfigs: settings of topics, all anew or one by one.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as Altered;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;
use polity_log::TopicConfig;

use super::describe_configs::{resource, set};
use crate::errors::Failure;
use crate::node::{Node, Topic};
use crate::topics;

/// What becomes of a setting, by Kafka's numbers.
mod operation {
    pub(super) const SET: i8 = 0;
    pub(super) const DELETE: i8 = 1;
    pub(super) const APPEND: i8 = 2;
    pub(super) const SUBTRACT: i8 = 3;
}

/// What is not given is as by default again.
pub(crate) async fn all(node: &Arc<Node>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut responses = Vec::new();
    for asked in request.resources {
        let change = |_: &Topic| {
            let mut config = node.default_topic();
            for entry in &asked.configs {
                set(
                    &mut config,
                    &entry.name,
                    given(&entry.name, entry.value.as_ref())?,
                )?;
            }
            Ok(config)
        };
        let name = &asked.resource_name;
        let altered = alter(
            node,
            (asked.resource_type, name),
            request.validate_only,
            change,
        )
        .await;
        let failure = altered.err();
        responses.push(
            AlterConfigsResourceResponse::default()
                .with_error_code(failure.as_ref().map_or(0, |failure| failure.code))
                .with_error_message(failure.and_then(|failure| failure.message))
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name.clone()),
        );
    }
    AlterConfigsResponse::default().with_responses(responses)
}

/// What is not given stays.
pub(crate) async fn incremental(
    node: &Arc<Node>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::new();
    for asked in request.resources {
        let change = |topic: &Topic| {
            let mut config = TopicConfig::clone(&topic.config());
            for entry in &asked.configs {
                apply(&mut config, &node.default_topic(), entry)?;
            }
            Ok(config)
        };
        let name = &asked.resource_name;
        let altered = alter(
            node,
            (asked.resource_type, name),
            request.validate_only,
            change,
        )
        .await;
        let failure = altered.err();
        responses.push(
            Altered::default()
                .with_error_code(failure.as_ref().map_or(0, |failure| failure.code))
                .with_error_message(failure.and_then(|failure| failure.message))
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name.clone()),
        );
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    node: &Arc<Node>,
    (kind, name): (i8, &StrBytes),
    is_trial: bool,
    change: impl FnOnce(&Topic) -> Result<TopicConfig, Failure>,
) -> Result<(), Failure> {
    if kind != resource::TOPIC {
        let why = "only settings of topics can be changed here; the broker's are in the plan";
        return Err(Failure::because(ResponseError::InvalidRequest, why));
    }
    let topic = node
        .log
        .topic(name)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    if topics::is_internal(topic.name().as_str()) {
        let why = "the broker keeps groups and transactions in it";
        return Err(Failure::because(ResponseError::InvalidRequest, why));
    }
    let config = change(&topic)?;
    if is_trial {
        return Ok(());
    }
    let name = topic.name().clone();
    let changed = node
        .blocking(move |node| node.log.configure_topic(&name, config))
        .await;
    changed.map_err(|error| Failure::from(&error))
}

fn given<'a>(name: &StrBytes, value: Option<&'a StrBytes>) -> Result<&'a StrBytes, Failure> {
    let none = || Failure::because(ResponseError::InvalidConfig, format!("{name} has no value"));
    value.ok_or_else(none)
}

fn apply(
    config: &mut TopicConfig,
    default: &TopicConfig,
    entry: &AlterableConfig,
) -> Result<(), Failure> {
    let name = entry.name.as_str();
    let invalid = |why: String| Err(Failure::because(ResponseError::InvalidConfig, why));
    match entry.config_operation {
        operation::SET => set(config, name, given(&entry.name, entry.value.as_ref())?),
        operation::DELETE => match default.get(name) {
            Some(default) => set(config, name, &default),
            // It may be one that is taken and means nothing.
            None => set(config, name, ""),
        },
        operation::APPEND | operation::SUBTRACT if name == "cleanup.policy" => {
            let before = config.get(name).unwrap_or_default();
            let value = given(&entry.name, entry.value.as_ref())?;
            let changed: Vec<_> = value.split(',').map(str::trim).collect();
            let mut list: Vec<_> = before
                .split(',')
                .filter(|it| !changed.contains(it))
                .collect();
            if entry.config_operation == operation::APPEND {
                list.extend(changed);
            }
            set(config, name, &list.join(","))
        }
        operation::APPEND | operation::SUBTRACT => invalid(format!("{name} is not a list")),
        other => invalid(format!("there is no operation {other} on a setting")),
    }
}
