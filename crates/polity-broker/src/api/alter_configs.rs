//! AlterConfigs and IncrementalAlterConfigs: settings of topics, all anew or one by one.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

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
use crate::node::Node;
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
    let resources = request.resources.iter();
    let asked = resources.map(|it| (it.resource_type, it.resource_name.clone()));
    let repeated = repeated(asked);
    for asked in request.resources {
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone());
        let resource = (asked.resource_type, asked.resource_name);
        let change = move |node: &Node, _: &TopicConfig| {
            once_each(asked.configs.iter().map(|entry| &entry.name))?;
            let mut config = node.default_topic();
            for entry in &asked.configs {
                let value = given(&entry.name, entry.value.as_ref())?;
                set(&mut config, &entry.name, value)?;
            }
            Ok(config)
        };
        let altered = alter(node, &repeated, resource, request.validate_only, change).await;
        let failure = altered.err();
        responses.push(
            response
                .with_error_code(failure.as_ref().map_or(0, |failure| failure.code))
                .with_error_message(failure.and_then(|failure| failure.message)),
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
    let resources = request.resources.iter();
    let asked = resources.map(|it| (it.resource_type, it.resource_name.clone()));
    let repeated = repeated(asked);
    for asked in request.resources {
        let response = Altered::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone());
        let resource = (asked.resource_type, asked.resource_name);
        let change = move |node: &Node, before: &TopicConfig| {
            once_each(asked.configs.iter().map(|entry| &entry.name))?;
            let mut config = before.clone();
            for entry in &asked.configs {
                apply(&mut config, &node.default_topic(), entry)?;
            }
            Ok(config)
        };
        let altered = alter(node, &repeated, resource, request.validate_only, change).await;
        let failure = altered.err();
        responses.push(
            response
                .with_error_code(failure.as_ref().map_or(0, |failure| failure.code))
                .with_error_message(failure.and_then(|failure| failure.message)),
        );
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

/// A resource: its kind, by Kafka's numbers, and its name.
type Resource = (i8, StrBytes);

/// Those that are named more than once: which of the changes is meant, nobody can say.
fn repeated(asked: impl Iterator<Item = Resource>) -> BTreeSet<Resource> {
    let mut seen = BTreeSet::new();
    asked.filter(|it| !seen.insert(it.clone())).collect()
}

fn once_each<'a>(names: impl Iterator<Item = &'a StrBytes>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            let why = format!("{name} is named twice");
            return Err(Failure::because(ResponseError::InvalidRequest, why));
        }
    }
    Ok(())
}

/// Changes a topic's settings all at once or not at all, and after whoever else is changing them.
async fn alter(
    node: &Arc<Node>,
    repeated: &BTreeSet<Resource>,
    resource: Resource,
    is_trial: bool,
    change: impl FnOnce(&Node, &TopicConfig) -> Result<TopicConfig, Failure> + Send + 'static,
) -> Result<(), Failure> {
    let refuse = |why: &str| Err(Failure::because(ResponseError::InvalidRequest, why));
    if repeated.contains(&resource) {
        return refuse("it is named twice");
    }
    let (kind, name) = resource;
    if kind != resource::TOPIC {
        return refuse("only settings of topics can be changed here; the broker's are in the plan");
    }
    if topics::is_internal(&name) {
        return refuse("the broker keeps groups and transactions in it");
    }
    node.blocking(move |node| {
        let one = node.configuring.lock();
        let _one = one.unwrap_or_else(PoisonError::into_inner);
        let topic = node.log.topic(&name);
        let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
        let config = change(node, &topic.config())?;
        if is_trial {
            return Ok(());
        }
        let changed = node.log.configure_topic(topic.name(), config);
        changed.map_err(|error| Failure::from(&error))
    })
    .await
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

#[cfg(test)]
#[path = "alter_configs_tests.rs"]
mod tests;
