//! What topics there are, and how they are set.

use std::collections::BTreeMap;

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use polity_console::view::{Partition, Topic, TopicConfig, TopicDescription};

use super::cluster::{Cluster, End, name_of, string};
use super::{Error, Kafka};

const DESCRIBE_CONFIGS: i16 = 4;

/// Kafka's number for a topic as the owner of settings.
pub const TOPIC_RESOURCE: i8 = 2;

/// Kafka's number for a setting that is the topic's own and not a default.
const OWN_CONFIG: i8 = 1;

/// A setting of a topic.
pub struct Config {
    pub config: TopicConfig,
    /// Whether it is the topic's own and no default.
    pub is_own: bool,
}

/// The settings of topics, by topic.
type Configs = BTreeMap<String, Vec<Config>>;

impl Kafka {
    /// Every topic but the broker's own.
    pub async fn topics(&self) -> Result<Vec<Topic>, Error> {
        let mut cluster = self.connect().await?;
        let topics = cluster.topics().await?;
        let first = cluster.offsets(&topics, End::First).await?;
        let last = cluster.offsets(&topics, End::Last).await?;
        let configs = cluster.configs(topics.iter().map(name_of)).await?;
        Ok(topics
            .iter()
            .map(|topic| view(topic, &configs, &records(&first, &last)))
            .collect())
    }

    /// One topic in detail.
    pub async fn topic(&self, name: &str) -> Result<TopicDescription, Error> {
        let mut cluster = self.connect().await?;
        let topic = [cluster.find_topic(name).await?];
        let first = cluster.offsets(&topic, End::First).await?;
        let last = cluster.offsets(&topic, End::Last).await?;
        let configs = cluster.configs([name]).await?;
        let [topic] = topic;
        let mut parts: Vec<Partition> = topic
            .partitions
            .iter()
            .map(|partition| {
                let at = (name.to_owned(), partition.partition_index);
                Partition {
                    partition: partition.partition_index,
                    leader: cluster.brokers.get(&partition.leader_id.0).cloned(),
                    first: first.get(&at).copied().unwrap_or(0),
                    end: last.get(&at).copied().unwrap_or(0),
                }
            })
            .collect();
        parts.sort_by_key(|part| part.partition);
        let own = configs.get(name).into_iter().flatten();
        Ok(TopicDescription {
            topic: view(&topic, &configs, &records(&first, &last)),
            parts,
            configs: own
                .filter(|config| config.is_own)
                .map(|config| config.config.clone())
                .collect(),
        })
    }
}

/// How many offsets lie between the ends of each topic's partitions.
fn records(
    first: &BTreeMap<(String, i32), i64>,
    last: &BTreeMap<(String, i32), i64>,
) -> BTreeMap<String, u64> {
    let mut records = BTreeMap::new();
    for (at, end) in last {
        let begin = first.get(at).copied().unwrap_or(0);
        *records.entry(at.0.clone()).or_default() += u64::try_from(end - begin).unwrap_or(0);
    }
    records
}

fn view(
    topic: &MetadataResponseTopic,
    configs: &Configs,
    records: &BTreeMap<String, u64>,
) -> Topic {
    let name = name_of(topic);
    let config = |wanted: &str| {
        let mut configs = configs.get(name).into_iter().flatten();
        let found = configs.find(|config| config.config.name == wanted)?;
        Some(found.config.value.clone())
    };
    Topic {
        name: name.to_owned(),
        partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
        records: records.get(name).copied().unwrap_or(0),
        // For ever is -1, which is no unsigned number.
        retention_ms: config("retention.ms").and_then(|ms| ms.parse().ok()),
        cleanup: config("cleanup.policy").unwrap_or_default(),
        published_by: Vec::new(),
        consumed_by: Vec::new(),
    }
}

impl Cluster {
    /// Every setting of these topics.
    pub async fn configs(
        &mut self,
        topics: impl IntoIterator<Item = &str>,
    ) -> Result<Configs, Error> {
        let resources = topics.into_iter().map(|name| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC_RESOURCE)
                .with_resource_name(string(name))
                .with_configuration_keys(None)
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        let answer = self.ask(DESCRIBE_CONFIGS, &request).await?;
        let mut configs = Configs::new();
        for result in answer.results {
            let name = result.resource_name.to_string();
            let what = || format!("to tell the settings of topic `{name}`");
            Error::check(result.error_code, result.error_message.as_deref(), what)?;
            let described = result.configs.into_iter().filter_map(|config| {
                let is_own = config.config_source == OWN_CONFIG;
                let config = TopicConfig {
                    name: config.name.to_string(),
                    value: config.value?.to_string(),
                };
                Some(Config { config, is_own })
            });
            let described = described.collect();
            configs.insert(name, described);
        }
        Ok(configs)
    }
}
