//! Which APIs are served, and in which versions.

use kafka_protocol::messages::ApiKey;

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
    served(ApiKey::DescribeLogDirs, 1, 4),
    served(ApiKey::CreatePartitions, 0, 3),
    served(ApiKey::DeleteGroups, 0, 2),
    served(ApiKey::IncrementalAlterConfigs, 0, 1),
    served(ApiKey::OffsetDelete, 0, 0),
    served(ApiKey::DescribeCluster, 0, 2),
    served(ApiKey::DescribeProducers, 0, 0),
    served(ApiKey::DescribeTransactions, 0, 0),
    served(ApiKey::ListTransactions, 0, 2),
    served(ApiKey::ConsumerGroupHeartbeat, 0, 1),
    served(ApiKey::ConsumerGroupDescribe, 0, 1),
    served(ApiKey::DescribeTopicPartitions, 0, 0),
];

const fn served(key: ApiKey, from: i16, to: i16) -> Served {
    Served {
        key,
        told_from: from,
        from,
        to,
    }
}
