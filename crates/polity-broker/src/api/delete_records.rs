//! DeleteRecords: takes records away from the beginning of partitions, for good.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_request::DeleteRecordsPartition;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use polity_log::Offset;

use crate::errors::Failure;
use crate::node::{Node, Topic};
use crate::topics;

/// What stands for the end of what counts.
const ALL: i64 = -1;

/// Waits for the disk.
pub(crate) fn handle(node: &Node, request: &DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.iter().map(|asked| {
        let topic = node.log.topic(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let result = DeleteRecordsPartitionResult::default()
                .with_partition_index(partition.partition_index);
            match delete(topic.as_deref(), partition) {
                Ok(start) => result.with_low_watermark(start.0),
                Err(failure) => result.with_error_code(failure.code).with_low_watermark(-1),
            }
        });
        DeleteRecordsTopicResult::default()
            .with_name(asked.name.clone())
            .with_partitions(partitions.collect())
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete(topic: Option<&Topic>, asked: &DeleteRecordsPartition) -> Result<Offset, Failure> {
    let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
    if topics::is_internal(topic.name().as_str()) {
        return Err(ResponseError::InvalidTopicException.into());
    }
    let partition = topic.partition(asked.partition_index);
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    if !topic.config().cleanup.delete {
        // Kafka refuses it as well where records go only when their key comes again.
        return Err(ResponseError::PolicyViolation.into());
    }
    let before = (asked.offset != ALL).then_some(Offset(asked.offset));
    partition
        .delete_records(before)
        .map_err(|error| Failure::from(&error))
}
