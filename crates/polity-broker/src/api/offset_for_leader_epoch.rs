//! OffsetForLeaderEpoch: where the records of a leader's epoch end, for a client to see whether what it has
//! read is what is there (KIP-320).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use polity_log::LeaderEpoch;

use crate::api;
use crate::errors::Failure;
use crate::node::{Node, Topic};

pub(crate) fn handle(
    node: &Node,
    request: &OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|asked| {
        let topic = node.log.topic(&asked.topic);
        let partitions = asked.partitions.iter().map(|partition| {
            let response = EpochEndOffset::default().with_partition(partition.partition);
            match find(topic.as_deref(), partition) {
                Ok(Some((epoch, end))) => response.with_leader_epoch(epoch).with_end_offset(end),
                Ok(None) => response,
                Err(failure) => response.with_error_code(failure.code),
            }
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(asked.topic.clone())
            .with_partitions(partitions.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn find(
    topic: Option<&Topic>,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, Failure> {
    let partition = topic.and_then(|topic| topic.partition(asked.partition));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    api::check_leader_epoch(partition, asked.current_leader_epoch)?;
    let found = partition.end_of_epoch(LeaderEpoch(asked.leader_epoch));
    Ok(found.map(|(epoch, end)| (epoch.0, end.0)))
}
