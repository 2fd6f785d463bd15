//! The APIs: which are served in which versions, and one file for each.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod api_versions;
mod call;
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
mod describe_log_dirs;
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
mod served;
mod sync_group;
mod txn_offset_commit;

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use polity_log::Isolation;

use crate::connection::Client;
use crate::errors::Failure;
use crate::group::TopicPartition;
use crate::node::{Node, Partition};
use crate::wire::answer::Answer;
use crate::{topics, transaction};

pub(crate) use call::{Call, Refused};
#[cfg(test)]
pub(crate) use served::SERVED;

/// Operations on the cluster, one bit each by its number in Kafka's `AclOperation`: create, alter,
/// describe, act as the cluster, describe and alter the configuration, write idempotently.
/// Everybody may do everything.
pub(crate) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// Operations on a group, numbered likewise: read, delete, describe.
const GROUP_OPERATIONS: i32 = 0b1_0100_1000;

/// Handles a request.
///
/// # Errors
/// When it is not what it says it is.
pub(crate) async fn handle(
    node: &Arc<Node>,
    client: &Client,
    call: &mut Call,
) -> Result<Answer, Refused> {
    match call.key {
        ApiKey::Produce => produce::handle(node, call),
        ApiKey::Fetch => fetch::handle(node, call).await,
        ApiKey::ListOffsets => {
            let (request, version) = (call.decode()?, call.version);
            let listed = node.blocking(move |node| list_offsets::handle(node, version, &request));
            call.answer(listed.await)
        }
        ApiKey::OffsetForLeaderEpoch => {
            call.answer(offset_for_leader_epoch::handle(node, &call.decode()?))
        }
        ApiKey::DeleteRecords => {
            let request = call.decode()?;
            let deleted = node.blocking(move |node| delete_records::handle(node, &request));
            call.answer(deleted.await)
        }
        ApiKey::Metadata => call.answer(metadata::handle(node, client, call, call.decode()?).await),
        ApiKey::FindCoordinator => {
            call.answer(find_coordinator::handle(node, client, call, call.decode()?))
        }
        ApiKey::ApiVersions => api_versions::handle(call),
        ApiKey::DescribeCluster => {
            call.answer(describe_cluster::handle(node, client, &call.decode()?))
        }
        ApiKey::DescribeTopicPartitions => {
            call.answer(describe_topic_partitions::handle(node, &call.decode()?))
        }
        _ => handle_of_group(node, client, call).await,
    }
}

/// Requests of consumer groups; the others go on.
async fn handle_of_group(
    node: &Arc<Node>,
    client: &Client,
    call: &mut Call,
) -> Result<Answer, Refused> {
    match call.key {
        ApiKey::JoinGroup => {
            let join = join_group::read(client, call, &call.decode()?);
            call.let_go();
            call.answer(join_group::handle(node, call, join).await)
        }
        ApiKey::SyncGroup => {
            let sync = sync_group::read(&call.decode()?);
            call.let_go();
            call.answer(sync_group::handle(node, sync).await)
        }
        ApiKey::Heartbeat => call.answer(heartbeat::handle(node, call.decode()?).await),
        ApiKey::LeaveGroup => call.answer(leave_group::handle(node, call, call.decode()?).await),
        ApiKey::OffsetCommit => call.answer(offset_commit::handle(node, call.decode()?).await),
        ApiKey::OffsetFetch => call.answer(offset_fetch::handle(node, call, call.decode()?).await),
        ApiKey::OffsetDelete => call.answer(offset_delete::handle(node, call.decode()?).await),
        ApiKey::ConsumerGroupHeartbeat => {
            call.answer(consumer_group_heartbeat::handle(node, client, call, call.decode()?).await)
        }
        ApiKey::ConsumerGroupDescribe => {
            call.answer(consumer_group_describe::handle(node, call, call.decode()?).await)
        }
        ApiKey::DescribeGroups => {
            call.answer(describe_groups::handle(node, call, call.decode()?).await)
        }
        ApiKey::ListGroups => call.answer(list_groups::handle(node, call, call.decode()?).await),
        ApiKey::DeleteGroups => call.answer(delete_groups::handle(node, call.decode()?).await),
        _ => handle_of_producer(node, call).await,
    }
}

/// Requests about producers and their transactions; the others go on.
async fn handle_of_producer(node: &Arc<Node>, call: &Call) -> Result<Answer, Refused> {
    match call.key {
        ApiKey::InitProducerId => {
            call.answer(init_producer_id::handle(node, call, call.decode()?).await)
        }
        ApiKey::AddPartitionsToTxn => {
            call.answer(add_partitions_to_txn::handle(node, call, call.decode()?).await)
        }
        ApiKey::AddOffsetsToTxn => {
            call.answer(add_offsets_to_txn::handle(node, call, call.decode()?).await)
        }
        ApiKey::EndTxn => call.answer(end_txn::handle(node, call, call.decode()?).await),
        ApiKey::TxnOffsetCommit => {
            call.answer(txn_offset_commit::handle(node, call, call.decode()?).await)
        }
        ApiKey::DescribeProducers => call.answer(describe_producers::handle(node, &call.decode()?)),
        ApiKey::DescribeTransactions => {
            call.answer(describe_transactions::handle(node, call.decode()?).await)
        }
        ApiKey::ListTransactions => {
            call.answer(list_transactions::handle(node, call.decode()?).await)
        }
        _ => handle_of_admin(node, call).await,
    }
}

/// Requests that change or describe topics and their settings.
async fn handle_of_admin(node: &Arc<Node>, call: &Call) -> Result<Answer, Refused> {
    match call.key {
        ApiKey::CreateTopics => {
            call.answer(create_topics::handle(node, call, call.decode()?).await)
        }
        ApiKey::DeleteTopics => call.answer(delete_topics::handle(node, call.decode()?).await),
        ApiKey::CreatePartitions => {
            call.answer(create_partitions::handle(node, call.decode()?).await)
        }
        ApiKey::DescribeLogDirs => call.answer(describe_log_dirs::handle(node, &call.decode()?)),
        ApiKey::DescribeConfigs => call.answer(describe_configs::handle(node, call.decode()?)),
        ApiKey::AlterConfigs => call.answer(alter_configs::all(node, call.decode()?).await),
        ApiKey::IncrementalAlterConfigs => {
            call.answer(alter_configs::incremental(node, call.decode()?).await)
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
