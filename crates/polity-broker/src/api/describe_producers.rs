//! DescribeProducers: who writes to a partition, and since when a transaction is open there (KIP-664).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use crate::node::Node;

pub(crate) fn handle(node: &Node, request: &DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = request.topics.iter().map(|asked| {
        let topic = node.log.topic(&asked.name);
        let mut indexes = asked.partition_indexes.clone();
        // Each once: an answer must not grow far beyond its request.
        indexes.sort_unstable();
        indexes.dedup();
        let partitions = indexes.into_iter().map(|index| {
            let response = PartitionResponse::default()
                .with_partition_index(index)
                .with_error_message(None);
            match topic.as_ref().and_then(|topic| topic.partition(index)) {
                Some(partition) => {
                    let producers = partition.producers().into_iter().map(|producer| {
                        let start = producer.transaction_start;
                        ProducerState::default()
                            .with_producer_id(ProducerId(producer.id.0))
                            .with_producer_epoch(producer.epoch.0.into())
                            .with_last_sequence(producer.last_sequence)
                            .with_last_timestamp(producer.last_timestamp_ms)
                            .with_coordinator_epoch(producer.coordinator_epoch)
                            .with_current_txn_start_offset(start.map_or(-1, |offset| offset.0))
                    });
                    response.with_active_producers(producers.collect())
                }
                None => response.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
            }
        });
        TopicResponse::default()
            .with_name(asked.name.clone())
            .with_partitions(partitions.collect())
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}
