//! The APIs: which are served in which versions, and one file for each.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_producers;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
mod fetch;
mod find_coordinator;
mod group_text;
mod heartbeat;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sync_group;
mod txn_offset_commit;

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use polity_log::Isolation;

use crate::connection::Client;
use crate::errors::Failure;
use crate::group::TopicPartition;
use crate::node::{Node, Partition};
use crate::wire::answer::{Answer, EncodeError, Reply};
use crate::wire::budget::Share;
use crate::wire::frame::Frame;
use crate::wire::header;
use crate::wire::shape::{Fault, Malformed};
use crate::wire::shapes;
use crate::{topics, transaction};

/// An API that clients may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) key: ApiKey,
    /// The first version that is told to clients.
    pub(crate) told_from: i16,
    /// The first version that is answered.
    pub(crate) from: i16,
    /// The last version that is answered.
    pub(crate) to: i16,
}

/// Every API that is served, by its key.
///
/// Only what is here is told to clients, and only what is right is here.
pub(crate) const SERVED: &[Served] = &[
    // librdkafka before 2.11.1 does not compress where version 0 is not told of.
    Served {
        told_from: 0,
        ..served(ApiKey::Produce, 3, 13)
    },
    served(ApiKey::Fetch, 4, 18),
    served(ApiKey::ListOffsets, 1, 10),
    served(ApiKey::Metadata, 0, 13),
    served(ApiKey::OffsetCommit, 2, 9),
    served(ApiKey::OffsetFetch, 1, 9),
    served(ApiKey::FindCoordinator, 0, 6),
    served(ApiKey::JoinGroup, 0, 9),
    served(ApiKey::Heartbeat, 0, 4),
    served(ApiKey::LeaveGroup, 0, 5),
    served(ApiKey::SyncGroup, 0, 5),
    served(ApiKey::DescribeGroups, 0, 6),
    served(ApiKey::ListGroups, 0, 5),
    served(ApiKey::ApiVersions, 0, 4),
    served(ApiKey::CreateTopics, 2, 7),
    served(ApiKey::DeleteTopics, 1, 6),
    served(ApiKey::DeleteRecords, 0, 2),
    served(ApiKey::InitProducerId, 0, 5),
    served(ApiKey::OffsetForLeaderEpoch, 2, 4),
    // From version 4 on it is for brokers among themselves.
    served(ApiKey::AddPartitionsToTxn, 0, 3),
    served(ApiKey::AddOffsetsToTxn, 0, 4),
    served(ApiKey::EndTxn, 0, 5),
    served(ApiKey::TxnOffsetCommit, 0, 5),
    served(ApiKey::DescribeConfigs, 1, 4),
    served(ApiKey::AlterConfigs, 0, 2),
    served(ApiKey::CreatePartitions, 0, 3),
    served(ApiKey::DeleteGroups, 0, 2),
    served(ApiKey::IncrementalAlterConfigs, 0, 1),
    served(ApiKey::OffsetDelete, 0, 0),
    served(ApiKey::DescribeCluster, 0, 2),
    served(ApiKey::DescribeProducers, 0, 0),
    served(ApiKey::DescribeTransactions, 0, 0),
    served(ApiKey::ListTransactions, 0, 1),
    served(ApiKey::ConsumerGroupHeartbeat, 0, 1),
    served(ApiKey::ConsumerGroupDescribe, 0, 1),
    served(ApiKey::DescribeTopicPartitions, 0, 0),
];

/// Operations on the cluster, one bit each by its number in Kafka's `AclOperation`: create, alter,
/// describe, act as the cluster, describe and alter the configuration, write idempotently.
/// Everybody may do everything.
pub(crate) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// Operations on a group, numbered likewise: read, delete, describe.
const GROUP_OPERATIONS: i32 = 0b1_0100_1000;

const fn served(key: ApiKey, from: i16, to: i16) -> Served {
    Served {
        key,
        told_from: from,
        from,
        to,
    }
}

/// One request, known to be of its shape.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    /// What the client calls itself.
    pub(crate) client_id: Option<StrBytes>,
    body: Bytes,
    /// Held until the request has been handled.
    _share: Share,
}

/// Why a request is not handled. The connection it came by is closed: after a request that is
/// not understood, nothing on it can be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no API {0}")]
    UnknownApi(i16),
    #[error("{0:?} has no version {1} here")]
    UnknownVersion(ApiKey, i16),
    #[error("the header of a {0:?} request is malformed: {1}")]
    Header(ApiKey, Fault),
    #[error("a {0:?} request of version {1} is malformed: {2}")]
    Malformed(ApiKey, i16, Malformed),
    #[error("a {0:?} request of version {1} cannot be decoded: {2}")]
    Undecodable(ApiKey, i16, String),
    /// How a client that wants no answers learns that something is wrong.
    #[error("a Produce that is not to be answered failed")]
    Unacknowledged,
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Call {
    /// Checks a request's header and shape.
    pub(crate) fn read(frame: Frame) -> Result<Self, Refused> {
        let prefix = frame.prefix;
        let version = prefix.version;
        let key = ApiKey::try_from(prefix.key).map_err(|()| Refused::UnknownApi(prefix.key))?;
        let served = SERVED.iter().find(|served| served.key == key);
        let served = served.ok_or(Refused::UnknownApi(prefix.key))?;
        if !(served.from..=served.to).contains(&version) {
            return match key {
                // Clients ask by the newest version they know, and must learn which ones there are.
                ApiKey::ApiVersions => Ok(Self::without_body(frame, key)),
                _ => Err(Refused::UnknownVersion(key, version)),
            };
        }
        let is_flexible = key.request_header_version(version) >= 2;
        let header = header::read_rest(&frame.bytes, is_flexible);
        let (client_id, body) = header.map_err(|fault| Refused::Header(key, fault))?;
        let body = frame.bytes.slice(body..);
        let shape = shapes::of(key).ok_or(Refused::UnknownApi(prefix.key))?;
        shape
            .check(version, &body)
            .map_err(|malformed| Refused::Malformed(key, version, malformed))?;
        Ok(Self {
            client_id,
            body,
            ..Self::without_body(frame, key)
        })
    }

    fn without_body(frame: Frame, key: ApiKey) -> Self {
        Self {
            key,
            version: frame.prefix.version,
            correlation: frame.prefix.correlation,
            client_id: None,
            body: Bytes::new(),
            _share: frame.share,
        }
    }

    /// Whether the request is taken up while those before it wait for the disk.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.key == ApiKey::Produce
    }

    fn decode<R: Decodable>(&self) -> Result<R, Refused> {
        R::decode(&mut self.body.clone(), self.version)
            .map_err(|error| Refused::Undecodable(self.key, self.version, error.to_string()))
    }

    fn answer<B: Encodable + HeaderVersion>(&self, body: &B) -> Result<Answer, Refused> {
        let reply = Reply::encode(self.correlation, self.version, body)?;
        Ok(Answer::Now(reply))
    }
}

/// Handles a request.
///
/// # Errors
/// When it is not what it says it is.
pub(crate) async fn handle(
    node: &Arc<Node>,
    client: &Client,
    call: Call,
) -> Result<Answer, Refused> {
    let call = &call;
    match call.key {
        ApiKey::Produce => produce::handle(node, call),
        ApiKey::Fetch => fetch::handle(node, call).await,
        ApiKey::ListOffsets => {
            let (request, version) = (call.decode()?, call.version);
            let listed = node.blocking(move |node| list_offsets::handle(node, version, &request));
            call.answer(&listed.await)
        }
        ApiKey::Metadata => {
            call.answer(&metadata::handle(node, client, call, call.decode()?).await)
        }
        ApiKey::FindCoordinator => call.answer(&find_coordinator::handle(
            node,
            client,
            call,
            call.decode()?,
        )),
        ApiKey::JoinGroup => {
            call.answer(&join_group::handle(node, client, call, call.decode()?).await)
        }
        ApiKey::SyncGroup => call.answer(&sync_group::handle(node, call.decode()?).await),
        ApiKey::Heartbeat => call.answer(&heartbeat::handle(node, call.decode()?).await),
        ApiKey::LeaveGroup => call.answer(&leave_group::handle(node, call, call.decode()?).await),
        ApiKey::OffsetCommit => call.answer(&offset_commit::handle(node, call.decode()?).await),
        ApiKey::OffsetFetch => call.answer(&offset_fetch::handle(node, call, call.decode()?).await),
        ApiKey::OffsetDelete => call.answer(&offset_delete::handle(node, call.decode()?).await),
        ApiKey::ConsumerGroupHeartbeat => {
            call.answer(&consumer_group_heartbeat::handle(node, client, call, call.decode()?).await)
        }
        ApiKey::ConsumerGroupDescribe => {
            call.answer(&consumer_group_describe::handle(node, call, call.decode()?).await)
        }
        ApiKey::DeleteRecords => {
            let request = call.decode()?;
            let deleted = node.blocking(move |node| delete_records::handle(node, &request));
            call.answer(&deleted.await)
        }
        ApiKey::DescribeGroups => {
            call.answer(&describe_groups::handle(node, call, call.decode()?).await)
        }
        ApiKey::ListGroups => call.answer(&list_groups::handle(node, call, call.decode()?).await),
        ApiKey::DeleteGroups => call.answer(&delete_groups::handle(node, call.decode()?).await),
        ApiKey::ApiVersions => api_versions::handle(call),
        ApiKey::CreateTopics => {
            call.answer(&create_topics::handle(node, call, call.decode()?).await)
        }
        ApiKey::DeleteTopics => call.answer(&delete_topics::handle(node, call.decode()?).await),
        ApiKey::InitProducerId => {
            call.answer(&init_producer_id::handle(node, call, call.decode()?).await)
        }
        ApiKey::OffsetForLeaderEpoch => {
            call.answer(&offset_for_leader_epoch::handle(node, &call.decode()?))
        }
        ApiKey::AddPartitionsToTxn => {
            call.answer(&add_partitions_to_txn::handle(node, call, call.decode()?).await)
        }
        ApiKey::AddOffsetsToTxn => {
            call.answer(&add_offsets_to_txn::handle(node, call, call.decode()?).await)
        }
        ApiKey::EndTxn => call.answer(&end_txn::handle(node, call, call.decode()?).await),
        ApiKey::TxnOffsetCommit => {
            call.answer(&txn_offset_commit::handle(node, call, call.decode()?).await)
        }
        ApiKey::DescribeProducers => {
            call.answer(&describe_producers::handle(node, &call.decode()?))
        }
        ApiKey::DescribeTransactions => {
            call.answer(&describe_transactions::handle(node, call.decode()?).await)
        }
        ApiKey::ListTransactions => {
            call.answer(&list_transactions::handle(node, call.decode()?).await)
        }
        ApiKey::AlterConfigs => call.answer(&alter_configs::all(node, call.decode()?).await),
        ApiKey::IncrementalAlterConfigs => {
            call.answer(&alter_configs::incremental(node, call.decode()?).await)
        }
        ApiKey::CreatePartitions => {
            call.answer(&create_partitions::handle(node, call.decode()?).await)
        }
        ApiKey::DescribeConfigs => call.answer(&describe_configs::handle(node, call.decode()?)),
        ApiKey::DescribeCluster => {
            call.answer(&describe_cluster::handle(node, client, &call.decode()?))
        }
        ApiKey::DescribeTopicPartitions => {
            call.answer(&describe_topic_partitions::handle(node, &call.decode()?))
        }
        _ => Err(Refused::UnknownApi(call.key as i16)),
    }
}

/// Up to where a client reads, by the protocol's number.
fn isolation(level: i8) -> Isolation {
    match level {
        1 => Isolation::ReadCommitted,
        _ => Isolation::ReadUncommitted,
    }
}

/// Holds the leader epoch that a client knows against the one in force; -1 is none.
fn check_leader_epoch(partition: &Partition, known: i32) -> Result<(), Failure> {
    if known < 0 {
        return Ok(());
    }
    match known.cmp(&partition.leader_epoch().0) {
        std::cmp::Ordering::Less => Err(ResponseError::FencedLeaderEpoch.into()),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(ResponseError::UnknownLeaderEpoch.into()),
    }
}

/// The code of a transaction's error: clients that do not know PRODUCER_FENCED are told
/// INVALID_PRODUCER_EPOCH, as before there was one.
fn producer_error(error: transaction::Error, knows_fenced: bool) -> i16 {
    match error {
        transaction::Error::ProducerFenced if !knows_fenced => {
            ResponseError::InvalidProducerEpoch.code()
        }
        error => error.code(),
    }
}

/// Where the offsets of every group are.
fn offsets_partition() -> TopicPartition {
    TopicPartition::new(topics::OFFSETS_TOPIC, 0)
}

/// A count or index as the protocol has it; none comes near the largest.
pub(crate) fn number(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
