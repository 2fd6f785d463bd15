//! The topics of a plan, made and set in the broker as the plan says.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, IncrementalAlterConfigsRequest,
};
use polity_core::TopicName;
use polity_plan::{Retention, Topic};

use super::cluster::{Cluster, name_of, string, topic_name};
use super::topics::{Config, TOPIC_RESOURCE};
use super::{Error, Kafka};

const CREATE_TOPICS: i16 = 5;
const CREATE_PARTITIONS: i16 = 2;
const INCREMENTAL_ALTER_CONFIGS: i16 = 1;

/// How long the broker may take to have a change everywhere.
const TIMEOUT_MS: i32 = 10_000;

/// As many partitions or replicas as the broker's defaults say (KIP-464).
const DEFAULT: i32 = -1;

/// What a change of a setting does.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Topics by name.
type Topics = BTreeMap<TopicName, Topic>;

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Topics that were made.
    pub created: Vec<String>,
    /// What the plan says and cannot be, each in a line.
    pub remarks: Vec<String>,
}

/// Makes the topics that are missing, and has those there are as the plan says. What `before` said
/// and the plan does not any more is again as the broker's defaults have it. No topic is deleted:
/// the records may be all there is of them.
pub async fn reconcile(kafka: &Kafka, before: &Topics, topics: &Topics) -> Result<Changed, Error> {
    let mut changed = Changed::default();
    if topics.is_empty() {
        return Ok(changed);
    }
    let mut cluster = kafka.connect().await?;
    let there = cluster
        .find_topics(topics.keys().map(TopicName::as_str))
        .await?;
    let set = cluster.configs(there.iter().map(name_of)).await?;
    let there: BTreeMap<&str, &MetadataResponseTopic> =
        there.iter().map(|topic| (name_of(topic), topic)).collect();
    for (name, topic) in topics {
        match there.get(name.as_str()) {
            None => {
                if cluster.create(name, topic).await? {
                    changed.created.push(name.to_string());
                }
            }
            Some(found) => {
                cluster.grow(name, topic, found, &mut changed).await?;
                let changes = changes(set.get(name.as_str()), before.get(name), topic);
                cluster.set(name, changes).await?;
            }
        }
    }
    Ok(changed)
}

impl Cluster {
    /// Whether it was made, and not by somebody else meanwhile.
    async fn create(&mut self, name: &TopicName, topic: &Topic) -> Result<bool, Error> {
        let configs = configs(topic).into_iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(string(name))
                .with_value(Some(string(&value)))
        });
        let partitions = topic.partitions.map_or(DEFAULT, |count| count as i32);
        let topic = CreatableTopic::default()
            .with_name(topic_name(name.as_str()))
            .with_num_partitions(partitions)
            .with_replication_factor(DEFAULT as i16)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        let answer = self.ask(CREATE_TOPICS, &request).await?;
        for topic in answer.topics {
            let exists = ResponseError::TopicAlreadyExists;
            if ResponseError::try_from_code(topic.error_code) == Some(exists) {
                return Ok(false);
            }
            let what = || format!("to make topic `{name}`");
            Error::check(topic.error_code, topic.error_message.as_deref(), what)?;
        }
        Ok(true)
    }

    async fn grow(
        &mut self,
        name: &TopicName,
        topic: &Topic,
        found: &MetadataResponseTopic,
        changed: &mut Changed,
    ) -> Result<(), Error> {
        let there = u32::try_from(found.partitions.len()).unwrap_or(u32::MAX);
        let Some(wanted) = topic.partitions.filter(|wanted| *wanted != there) else {
            return Ok(());
        };
        if wanted < there {
            changed.remarks.push(format!(
                "topic `{name}` has {there} partitions and keeps them: partitions = {wanted} would lose records"
            ));
            return Ok(());
        }
        let grown = CreatePartitionsTopic::default()
            .with_name(topic_name(name.as_str()))
            .with_count(wanted as i32)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![grown])
            .with_timeout_ms(TIMEOUT_MS);
        let answer = self.ask(CREATE_PARTITIONS, &request).await?;
        for topic in answer.results {
            let what = || format!("to give topic `{name}` {wanted} partitions");
            Error::check(topic.error_code, topic.error_message.as_deref(), what)?;
        }
        changed.remarks.push(format!(
            "topic `{name}` has {wanted} partitions now, {there} before: keys may move to another"
        ));
        Ok(())
    }

    async fn set(&mut self, name: &TopicName, changes: Vec<AlterableConfig>) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(string(name.as_str()))
            .with_configs(changes);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.ask(INCREMENTAL_ALTER_CONFIGS, &request).await?;
        for resource in answer.responses {
            let what = || format!("the settings of topic `{name}`");
            Error::check(resource.error_code, resource.error_message.as_deref(), what)?;
        }
        Ok(())
    }
}

/// What makes the settings of a topic what the plan says: what is set already stays untouched.
fn changes(
    set: Option<&Vec<Config>>,
    before: Option<&Topic>,
    topic: &Topic,
) -> Vec<AlterableConfig> {
    let is_set = |name: &str, value: &str| {
        let mut set = set.into_iter().flatten();
        set.any(|set| set.is_own && set.config.name == name && set.config.value == value)
    };
    let wanted = configs(topic);
    let said = before.map(configs).unwrap_or_default();
    let gone = said.into_keys().filter(|name| !wanted.contains_key(name));
    let deleted = gone.map(|name| (name, DELETE, None));
    let missing = wanted.iter().filter(|(name, value)| !is_set(name, value));
    let set = missing.map(|(name, value)| (*name, SET, Some(string(value))));
    set.chain(deleted)
        .map(|(name, operation, value)| {
            AlterableConfig::default()
                .with_name(string(name))
                .with_config_operation(operation)
                .with_value(value)
        })
        .collect()
}

/// What a plan says of a topic, by Kafka's names.
fn configs(topic: &Topic) -> BTreeMap<&'static str, String> {
    let retention = topic.retention.map(|retention| match retention {
        Retention::For(duration) => duration.as_millis().to_string(),
        Retention::Forever => "-1".to_owned(),
    });
    let size = |size: polity_core::ByteSize| size.0.to_string();
    let cleanup = topic.cleanup.map(|cleanup| cleanup.word().to_owned());
    let configs = [
        ("retention.ms", retention),
        ("retention.bytes", topic.retention_size.map(size)),
        ("cleanup.policy", cleanup),
        ("max.message.bytes", topic.max_message.map(size)),
    ];
    let said = configs.into_iter();
    said.filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use polity_core::ByteSize;
    use polity_plan::Cleanup;

    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let keeps = |seconds| Topic {
            retention: Some(Retention::For(Duration::from_secs(seconds))),
            ..Topic::default()
        };
        let set = |value: &str, is_own| {
            let config = polity_console::view::TopicConfig {
                name: "retention.ms".to_owned(),
                value: value.to_owned(),
            };
            vec![Config { config, is_own }]
        };
        let check =
            |set: &Vec<Config>, before: Option<&Topic>, topic: &Topic, expected: &[&str]| {
                let changes = changes(Some(set), before, topic);
                let texts = changes.iter().map(|change| {
                    let value = change.value.as_deref().unwrap_or("default");
                    format!("{} {value}", &*change.name)
                });
                assert_eq!(texts.collect::<Vec<_>>(), expected);
            };
        let none = Topic::default();
        check(&set("60000", true), None, &keeps(60), &[]);
        check(&set("60000", true), None, &keeps(7), &["retention.ms 7000"]);
        check(
            &set("60000", false),
            None,
            &keeps(60),
            &["retention.ms 60000"],
        );
        // What somebody else has set is theirs; what the plan had set goes with its word.
        check(&set("60000", true), None, &none, &[]);
        check(
            &set("60000", true),
            Some(&keeps(60)),
            &none,
            &["retention.ms default"],
        );
    }

    #[test]
    fn only_what_is_said_is_set() {
        assert!(configs(&Topic::default()).is_empty());
        let topic = Topic {
            partitions: Some(4),
            retention: Some(Retention::For(Duration::from_secs(60))),
            retention_size: Some(ByteSize(1024)),
            cleanup: Some(Cleanup::CompactAndDelete),
            max_message: Some(ByteSize(2048)),
        };
        let expected = BTreeMap::from([
            ("cleanup.policy", "compact,delete".to_owned()),
            ("max.message.bytes", "2048".to_owned()),
            ("retention.bytes", "1024".to_owned()),
            ("retention.ms", "60000".to_owned()),
        ]);
        assert_eq!(configs(&topic), expected);
        let forever = Topic {
            retention: Some(Retention::Forever),
            ..Topic::default()
        };
        assert_eq!(configs(&forever)["retention.ms"], "-1");
    }
}
