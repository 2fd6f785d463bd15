//! DescribeConfigs: the settings of topics and of the node.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use polity_log::TopicConfig;

use crate::errors::Failure;
use crate::node::{NODE_ID, Node};

/// What has settings, by Kafka's numbers.
pub(crate) mod resource {
    pub(crate) const TOPIC: i8 = 2;
    pub(crate) const BROKER: i8 = 4;
}

/// Where a value comes from, by Kafka's numbers.
pub(crate) mod source {
    pub(crate) const TOPIC: i8 = 1;
    pub(crate) const STATIC_BROKER: i8 = 4;
    pub(crate) const DEFAULT: i8 = 5;
}

/// One setting.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) source: i8,
}

/// The settings of a topic: which are its own, and which are the defaults.
pub(crate) fn entries(node: &Node, config: &TopicConfig) -> impl Iterator<Item = Entry> {
    let default = node.default_topic();
    let entries: Vec<_> = config.entries().collect();
    entries.into_iter().map(move |(name, value)| Entry {
        source: if default.get(name).as_ref() == Some(&value) {
            source::DEFAULT
        } else {
            source::TOPIC
        },
        name,
        value,
    })
}

/// Settings of Kafka's topics that are taken and mean nothing here: what they are about is as good as
/// they ask for, or does not come up on one node.
const WITHOUT_EFFECT: &[&str] = &[
    "compression.type",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.storage.enable",
    "segment.index.bytes",
    "segment.jitter.ms",
    "unclean.leader.election.enable",
];

/// Sets one setting of a topic.
///
/// # Errors
/// When there is no such setting, or it has no such value.
pub(crate) fn set(config: &mut TopicConfig, name: &str, value: &str) -> Result<(), Failure> {
    if WITHOUT_EFFECT.contains(&name) {
        return Ok(());
    }
    config
        .set(name, value)
        .map_err(|error| Failure::from(&error))
}

pub(crate) fn handle(node: &Node, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let mut seen = BTreeSet::new();
    let mut results = Vec::new();
    for asked in request.resources {
        // Once, however often it is asked for: an answer must not grow far beyond its request.
        if !seen.insert((asked.resource_type, asked.resource_name.clone())) {
            continue;
        }
        let result = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone());
        results.push(match find(node, &asked) {
            Ok(entries) => {
                let is_asked = |entry: &Entry| match &asked.configuration_keys {
                    Some(keys) => keys.iter().any(|key| key.as_str() == entry.name),
                    None => true,
                };
                let entries = entries.into_iter().filter(is_asked);
                let configs = entries.map(|entry| describe(entry, request.include_synonyms));
                result.with_configs(configs.collect())
            }
            Err(failure) => result
                .with_error_code(failure.code)
                .with_error_message(failure.message),
        });
    }
    DescribeConfigsResponse::default().with_results(results)
}

fn find(node: &Node, asked: &DescribeConfigsResource) -> Result<Vec<Entry>, Failure> {
    match asked.resource_type {
        resource::TOPIC => {
            let topic = node.log.topic(&asked.resource_name);
            let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
            Ok(entries(node, &topic.config()).collect())
        }
        // No name is what all nodes have in common.
        resource::BROKER if asked.resource_name.is_empty() => Ok(Vec::new()),
        resource::BROKER if asked.resource_name.as_str() == NODE_ID.to_string() => {
            Ok(of_node(node))
        }
        resource::BROKER => {
            let why = format!("the only broker is {NODE_ID}");
            Err(Failure::because(ResponseError::InvalidRequest, why))
        }
        other => {
            let why =
                format!("settings of kind {other} are not served: topics and brokers have some");
            Err(Failure::because(ResponseError::InvalidRequest, why))
        }
    }
}

fn of_node(node: &Node) -> Vec<Entry> {
    let entry = |name, value: String| Entry {
        name,
        value,
        source: source::STATIC_BROKER,
    };
    vec![
        entry(
            "auto.create.topics.enable",
            node.config.auto_create_topics.to_string(),
        ),
        entry("broker.id", NODE_ID.to_string()),
        entry("default.replication.factor", "1".to_owned()),
        entry("node.id", NODE_ID.to_string()),
        entry("num.partitions", node.config.default_partitions.to_string()),
    ]
}

fn describe(entry: Entry, with_synonyms: bool) -> DescribeConfigsResourceResult {
    let name = StrBytes::from_static_str(entry.name);
    let value = Some(StrBytes::from_string(entry.value));
    let synonym = || {
        DescribeConfigsSynonym::default()
            .with_name(name.clone())
            .with_value(value.clone())
            .with_source(entry.source)
    };
    let synonyms = if with_synonyms {
        vec![synonym()]
    } else {
        Vec::new()
    };
    DescribeConfigsResourceResult::default()
        .with_name(name)
        .with_value(value)
        .with_read_only(entry.source == source::STATIC_BROKER)
        .with_config_source(entry.source)
        .with_config_type(kind(entry.name))
        .with_synonyms(synonyms)
}

/// What sort of value a setting has, by Kafka's numbers.
fn kind(name: &str) -> i8 {
    const BOOLEAN: i8 = 1;
    const STRING: i8 = 2;
    const INT: i8 = 3;
    const LONG: i8 = 5;
    const DOUBLE: i8 = 6;
    const LIST: i8 = 7;
    match name {
        "cleanup.policy" => LIST,
        "message.timestamp.type" => STRING,
        "auto.create.topics.enable" => BOOLEAN,
        "min.cleanable.dirty.ratio" => DOUBLE,
        name if name.ends_with(".ms") || name == "retention.bytes" => LONG,
        _ => INT,
    }
}
