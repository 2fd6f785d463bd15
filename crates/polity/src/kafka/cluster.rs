//! A cluster being asked: which brokers it has, and who leads what.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    ListOffsetsRequest, MetadataRequest, MetadataResponse, TopicName as KafkaTopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use super::connection::Connection;
use super::{Error, Kafka};

const METADATA: i16 = 9;
const LIST_OFFSETS: i16 = 6;

/// What a fetch sees: committed records only.
pub const READ_COMMITTED: i8 = 1;

/// Which end of a partition.
#[derive(Debug, Clone, Copy)]
pub enum End {
    First,
    /// After the last record that is committed.
    Last,
}

/// Connections to the brokers of one cluster, made as they are needed.
pub struct Cluster {
    /// Where each broker is, by its id.
    pub brokers: BTreeMap<i32, String>,
    first: Connection,
    others: BTreeMap<i32, Connection>,
}

impl Kafka {
    /// Connects to the first of the brokers that answers.
    pub(super) async fn connect(&self) -> Result<Cluster, Error> {
        let mut failed = None;
        for address in &self.brokers {
            match Cluster::find(address).await {
                Ok(cluster) => return Ok(cluster),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| Error::Nonsense {
            address: "?".to_owned(),
            what: "no broker is named".to_owned(),
        }))
    }
}

impl Cluster {
    async fn find(address: &str) -> Result<Self, Error> {
        let mut cluster = Self {
            brokers: BTreeMap::new(),
            first: Connection::open(address).await?,
            others: BTreeMap::new(),
        };
        let nothing = MetadataRequest::default().with_topics(Some(Vec::new()));
        let metadata: MetadataResponse = cluster.ask(METADATA, &nothing).await?;
        cluster.brokers = match &metadata.brokers[..] {
            // Others may know it by an address that is none here.
            [only] => BTreeMap::from([(only.node_id.0, address.to_owned())]),
            several => several
                .iter()
                .map(|broker| (broker.node_id.0, address_of(&broker.host, broker.port)))
                .collect(),
        };
        Ok(cluster)
    }

    /// Asks whichever broker was connected to first.
    pub async fn ask<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Error> {
        self.first.call(version, request).await
    }

    /// Asks one broker.
    pub async fn ask_at<R: Request>(
        &mut self,
        broker: i32,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Error> {
        let connection = match self.others.entry(broker) {
            Entry::Occupied(connection) => connection.into_mut(),
            Entry::Vacant(place) => {
                let address = self.brokers.get(&broker).ok_or_else(|| Error::Refused {
                    what: format!("to say where broker {broker} is"),
                    why: "it is not there now, try again".to_owned(),
                })?;
                place.insert(Connection::open(address).await?)
            }
        };
        connection.call(version, request).await
    }

    /// Every topic but the broker's own.
    pub async fn topics(&mut self) -> Result<Vec<MetadataResponseTopic>, Error> {
        let metadata = self
            .ask(METADATA, &MetadataRequest::default().with_topics(None))
            .await?;
        let topics = metadata.topics.into_iter();
        let mut topics: Vec<_> = topics.filter(|topic| !topic.is_internal).collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    /// What is known of these topics; those there are not are left out.
    pub async fn find_topics(
        &mut self,
        names: impl IntoIterator<Item = &str>,
    ) -> Result<Vec<MetadataResponseTopic>, Error> {
        let asked = names
            .into_iter()
            .map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
        let request = MetadataRequest::default()
            .with_topics(Some(asked.collect()))
            // To look for a topic does not make it.
            .with_allow_auto_topic_creation(false);
        let metadata = self.ask(METADATA, &request).await?;
        let mut topics = Vec::new();
        for topic in metadata.topics {
            match ResponseError::try_from_code(topic.error_code) {
                None => topics.push(topic),
                Some(ResponseError::UnknownTopicOrPartition) => {}
                Some(_) => {
                    let what = || format!("to tell of topic `{}`", name_of(&topic));
                    Error::check(topic.error_code, None, what)?;
                }
            }
        }
        Ok(topics)
    }

    /// What is known of one topic.
    pub async fn find_topic(&mut self, name: &str) -> Result<MetadataResponseTopic, Error> {
        let topics = self.find_topics([name]).await?;
        let found = topics.into_iter().next();
        found.ok_or_else(|| Error::UnknownTopic(name.to_owned()))
    }

    /// One end of every partition that has a leader, by topic and partition.
    pub async fn offsets(
        &mut self,
        topics: &[MetadataResponseTopic],
        end: End,
    ) -> Result<BTreeMap<(String, i32), i64>, Error> {
        let mut by_leader: BTreeMap<i32, Vec<ListOffsetsTopic>> = BTreeMap::new();
        for topic in topics {
            for (leader, partitions) in leaders(topic) {
                let partitions = partitions.into_iter().map(|partition| {
                    ListOffsetsPartition::default()
                        .with_partition_index(partition)
                        // Kafka's words for the ends, in place of a time.
                        .with_timestamp(match end {
                            End::First => -2,
                            End::Last => -1,
                        })
                });
                let asked = ListOffsetsTopic::default()
                    .with_name(topic_name(name_of(topic)))
                    .with_partitions(partitions.collect());
                by_leader.entry(leader).or_default().push(asked);
            }
        }
        let mut offsets = BTreeMap::new();
        for (leader, topics) in by_leader {
            let request = ListOffsetsRequest::default()
                .with_replica_id((-1).into())
                .with_isolation_level(READ_COMMITTED)
                .with_topics(topics);
            let answer = self.ask_at(leader, LIST_OFFSETS, &request).await?;
            for topic in answer.topics {
                let name = topic.name.0.to_string();
                for partition in topic.partitions {
                    let at = partition.partition_index;
                    let what = || format!("to tell the offsets of {name}-{at}");
                    Error::check(partition.error_code, None, what)?;
                    offsets.insert((name.clone(), at), partition.offset);
                }
            }
        }
        Ok(offsets)
    }
}

/// The partitions of a topic by the broker that leads them; those nobody leads are left out.
pub fn leaders(topic: &MetadataResponseTopic) -> BTreeMap<i32, Vec<i32>> {
    let mut leaders: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for partition in &topic.partitions {
        if partition.leader_id.0 >= 0 {
            let led = leaders.entry(partition.leader_id.0).or_default();
            led.push(partition.partition_index);
        }
    }
    leaders
}

pub fn name_of(topic: &MetadataResponseTopic) -> &str {
    topic.name.as_ref().map_or("", |name| name.0.as_str())
}

pub fn topic_name(name: &str) -> KafkaTopicName {
    KafkaTopicName(string(name))
}

pub fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn address_of(host: &str, port: i32) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}
