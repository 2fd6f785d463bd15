//! ListOffsets: the first offset, the last, or that of a time.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use polity_log::{Isolation, TimedOffset};

use crate::api;
use crate::errors::Failure;
use crate::node::{Node, Topic};

/// Times that stand for a place, as the protocol numbers them.
mod place {
    /// The end of what the reader may read.
    pub(super) const LATEST: i64 = -1;
    /// The first record.
    pub(super) const EARLIEST: i64 = -2;
    /// The record with the latest time (KIP-734).
    pub(super) const MAX_TIMESTAMP: i64 = -3;
    /// The first record on this node's disk (KIP-405): there are none elsewhere.
    pub(super) const EARLIEST_LOCAL: i64 = -4;
    /// The last record elsewhere (KIP-1005): there are none.
    pub(super) const LATEST_TIERED: i64 = -5;
}

/// Reads indexes, and at most a batch a partition: to be run where one may wait for the disk.
pub(crate) fn handle(
    node: &Node,
    version: i16,
    request: &ListOffsetsRequest,
) -> ListOffsetsResponse {
    let isolation = api::isolation(request.isolation_level);
    let topics = request.topics.iter().map(|asked| {
        let topic = node.log.topic(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let response = ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index);
            match find(topic.as_deref(), partition, isolation) {
                Ok(Some(found)) => {
                    // Versions before 4 have no place for it.
                    let epoch = if version >= 4 {
                        found.leader_epoch.0
                    } else {
                        -1
                    };
                    response
                        .with_offset(found.offset.0)
                        .with_timestamp(found.timestamp_ms)
                        .with_leader_epoch(epoch)
                }
                Ok(None) => response,
                Err(failure) => response.with_error_code(failure.code),
            }
        });
        ListOffsetsTopicResponse::default()
            .with_name(asked.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn find(
    topic: Option<&Topic>,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Option<TimedOffset>, Failure> {
    let partition = topic.and_then(|topic| topic.partition(asked.partition_index));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    api::check_leader_epoch(partition, asked.current_leader_epoch)?;
    let offsets = partition.offsets();
    let at = |offset| TimedOffset {
        offset,
        timestamp_ms: -1,
        leader_epoch: partition.leader_epoch(),
    };
    let found = match asked.timestamp {
        place::LATEST => Ok(Some(at(match isolation {
            Isolation::ReadUncommitted => offsets.high_watermark,
            Isolation::ReadCommitted => offsets.last_stable,
        }))),
        place::EARLIEST | place::EARLIEST_LOCAL => Ok(Some(at(offsets.start))),
        place::LATEST_TIERED => Ok(None),
        place::MAX_TIMESTAMP => partition.offset_of_latest_time(isolation),
        time if time >= 0 => partition.offset_for_time(time, isolation),
        _ => return Err(ResponseError::InvalidRequest.into()),
    };
    found.map_err(|error| Failure::from(&error))
}
