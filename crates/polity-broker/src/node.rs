//! The one node of the cluster: what all connections share.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use polity_core::{Rng, SplitMix64, TopicName};
use polity_log::{RealDisk, TopicConfig, TopicError, TopicId};
use smol_str::SmolStr;
use tokio::sync::watch;
use uuid::Uuid;

use crate::connection::Client;
use crate::errors::Failure;
use crate::fetch_sessions::FetchSessions;
use crate::group;
use crate::groups::Groups;
use crate::producer_ids::IdFile;
use crate::topic_index::TopicIndex;
use crate::transactions::Transactions;
use crate::wire::answers::Answers;
use crate::wire::budget::Budget;
use crate::{Config, StartError};

/// The id of the node, in a cluster of one.
pub(crate) const NODE_ID: i32 = 1;

/// A log on a disk of this machine.
pub(crate) type Log = polity_log::Log<RealDisk>;

/// A topic of it.
pub(crate) type Topic = polity_log::Topic<RealDisk>;

/// A partition of a topic.
pub(crate) type Partition = polity_log::Partition<RealDisk>;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) log: Arc<Log>,
    /// Memory for requests.
    pub(crate) budget: Budget,
    /// Memory and files for answers to Fetch.
    pub(crate) fetch_answers: Answers,
    /// Memory for all others.
    pub(crate) answers: Answers,
    pub(crate) fetch_sessions: FetchSessions,
    /// Tells this cluster from others.
    pub(crate) cluster_id: String,
    pub(crate) groups: Groups,
    pub(crate) topics: Arc<TopicIndex>,
    pub(crate) transactions: Transactions,
    /// Who changes settings of a topic: they are read, changed and written.
    pub(crate) configuring: Mutex<()>,
    stopping: watch::Sender<bool>,
}

/// Where clients are told to come.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
}

impl Node {
    /// # Errors
    /// When what is kept beside the log cannot be read or written.
    pub(crate) fn new(config: Config, log: Log) -> Result<Self, StartError> {
        let log = Arc::new(log);
        let topics = Arc::new(TopicIndex::new(log.clone()));
        Ok(Self {
            groups: Groups::open(&log, topics.clone())?,
            topics,
            budget: Budget::default(),
            fetch_answers: Answers::default(),
            answers: Answers::default(),
            fetch_sessions: FetchSessions::default(),
            transactions: Transactions::open(&log, IdFile::open(&config.data)?)?,
            cluster_id: crate::cluster_id::open(&config.data)?,
            log,
            config,
            configuring: Mutex::new(()),
            stopping: watch::Sender::new(false),
        })
    }

    /// Where a client is told to come: by default where it came to.
    pub(crate) fn endpoint(&self, client: &Client) -> Endpoint {
        let (host, port) = match &self.config.advertised {
            Some(advertised) => (advertised.host.clone(), advertised.port),
            None => (client.local.ip().to_string(), client.local.port()),
        };
        Endpoint {
            host: StrBytes::from_string(host),
            port: port.into(),
        }
    }

    /// A topic by its id.
    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.topics.by_id(id)
    }

    /// How a topic is set that is made without saying more.
    pub(crate) fn default_topic(&self) -> TopicConfig {
        let retention = self.config.default_retention;
        TopicConfig {
            retention_ms: retention.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
            ..TopicConfig::default()
        }
    }

    /// Makes a topic, with the number of partitions of [`Config`] where none is asked for.
    ///
    /// # Errors
    /// When there is one, there are too many, or the disk fails.
    pub(crate) async fn create_topic(
        self: &Arc<Self>,
        name: TopicName,
        partitions: Option<u32>,
        config: TopicConfig,
    ) -> Result<Arc<Topic>, Failure> {
        // What groups had committed in an earlier topic of that name may still be there.
        let forgotten = self.forget_offsets(&name).await;
        forgotten.map_err(|error| Failure::because(ResponseError::KafkaStorageError, error))?;
        let id = new_topic_id();
        let partitions = partitions.unwrap_or(self.config.default_partitions);
        self.blocking(move |node| {
            let made = node.log.create_topic(&name, id, partitions, config);
            let topic = made.map_err(|error| Failure::from(&error))?;
            node.topics.changed(&topic);
            Ok(topic)
        })
        .await
    }

    /// Deletes a topic and its records, and not another one that has its name by now.
    ///
    /// # Errors
    /// When it is gone, or the disk fails.
    pub(crate) async fn delete_topic(self: &Arc<Self>, topic: &Topic) -> Result<(), TopicError> {
        let (name, id) = (topic.name().clone(), topic.id());
        self.blocking(move |node| {
            node.log.delete_topic(&name, id)?;
            node.topics.removed(id);
            Ok::<_, TopicError>(())
        })
        .await?;
        if let Err(error) = self.forget_offsets(topic.name()).await {
            // The next topic of that name, or the next start, tries again.
            tracing::warn!(%error, "offsets in the deleted topic {} are left", topic.name());
        }
        Ok(())
    }

    /// Lets go what groups have committed in a topic that there is not.
    async fn forget_offsets(&self, topic: &TopicName) -> Result<(), group::Error> {
        let names = BTreeSet::from([SmolStr::new(topic.as_str())]);
        self.groups
            .ask(|groups, outside| groups.forget_topics(outside, names))
            .await?
    }

    /// Runs what waits for the disk on a thread made for waiting. Carried out whether or not
    /// anybody waits for its end.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> T + Send + 'static,
    ) -> T {
        let node = self.clone();
        match tokio::task::spawn_blocking(move || work(&node)).await {
            Ok(done) => done,
            // It is never aborted, so it panicked: so do we, in this connection's task alone.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Answers every long poll with what there is, now and from here on.
    pub(crate) fn stop_waiting(&self) {
        self.stopping.send_replace(true);
    }

    /// Ends when [`Node::stop_waiting`] was called. Cancelling it loses nothing.
    pub(crate) async fn stopping(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender is here as long as this is borrowed.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }
}

/// A random UUID (RFC 9562, version 4), which is what Kafka gives topics.
pub(crate) fn new_topic_id() -> TopicId {
    let mut rng = SplitMix64::from_system();
    let mut bytes = [0; 16];
    for (part, number) in bytes
        .chunks_exact_mut(8)
        .zip([rng.next_u64(), rng.next_u64()])
    {
        part.copy_from_slice(&number.to_be_bytes());
    }
    TopicId(
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .into_bytes(),
    )
}
