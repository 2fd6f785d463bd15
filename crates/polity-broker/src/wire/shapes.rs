//! The shape of every request, as the protocol's message definitions (Apache Kafka 4.1) give it.

mod admin;
mod data;
mod group;
mod transaction;

use kafka_protocol::messages::ApiKey;

use crate::wire::shape::Shape;

/// The shape of an API's requests; none for APIs that are never served.
pub(crate) fn of(key: ApiKey) -> Option<&'static Shape> {
    let shape = match key {
        ApiKey::ApiVersions => &data::API_VERSIONS,
        ApiKey::Metadata => &data::METADATA,
        ApiKey::Produce => &data::PRODUCE,
        ApiKey::Fetch => &data::FETCH,
        ApiKey::ListOffsets => &data::LIST_OFFSETS,
        ApiKey::OffsetForLeaderEpoch => &data::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::DescribeTopicPartitions => &data::DESCRIBE_TOPIC_PARTITIONS,
        ApiKey::DescribeCluster => &data::DESCRIBE_CLUSTER,
        ApiKey::DeleteRecords => &data::DELETE_RECORDS,
        ApiKey::FindCoordinator => &group::FIND_COORDINATOR,
        ApiKey::JoinGroup => &group::JOIN_GROUP,
        ApiKey::SyncGroup => &group::SYNC_GROUP,
        ApiKey::Heartbeat => &group::HEARTBEAT,
        ApiKey::LeaveGroup => &group::LEAVE_GROUP,
        ApiKey::OffsetCommit => &group::OFFSET_COMMIT,
        ApiKey::OffsetFetch => &group::OFFSET_FETCH,
        ApiKey::OffsetDelete => &group::OFFSET_DELETE,
        ApiKey::DescribeGroups => &group::DESCRIBE_GROUPS,
        ApiKey::ListGroups => &group::LIST_GROUPS,
        ApiKey::DeleteGroups => &group::DELETE_GROUPS,
        ApiKey::ConsumerGroupHeartbeat => &group::CONSUMER_GROUP_HEARTBEAT,
        ApiKey::ConsumerGroupDescribe => &group::CONSUMER_GROUP_DESCRIBE,
        ApiKey::CreateTopics => &admin::CREATE_TOPICS,
        ApiKey::DeleteTopics => &admin::DELETE_TOPICS,
        ApiKey::CreatePartitions => &admin::CREATE_PARTITIONS,
        ApiKey::DescribeConfigs => &admin::DESCRIBE_CONFIGS,
        ApiKey::DescribeLogDirs => &admin::DESCRIBE_LOG_DIRS,
        ApiKey::AlterConfigs => &admin::ALTER_CONFIGS,
        ApiKey::IncrementalAlterConfigs => &admin::INCREMENTAL_ALTER_CONFIGS,
        ApiKey::InitProducerId => &transaction::INIT_PRODUCER_ID,
        ApiKey::AddPartitionsToTxn => &transaction::ADD_PARTITIONS_TO_TXN,
        ApiKey::AddOffsetsToTxn => &transaction::ADD_OFFSETS_TO_TXN,
        ApiKey::EndTxn => &transaction::END_TXN,
        ApiKey::TxnOffsetCommit => &transaction::TXN_OFFSET_COMMIT,
        ApiKey::DescribeProducers => &transaction::DESCRIBE_PRODUCERS,
        ApiKey::DescribeTransactions => &transaction::DESCRIBE_TRANSACTIONS,
        ApiKey::ListTransactions => &transaction::LIST_TRANSACTIONS,
        _ => return None,
    };
    Some(shape)
}
