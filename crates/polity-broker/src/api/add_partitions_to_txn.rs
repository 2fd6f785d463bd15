//! AddPartitionsToTxn: where a transaction is going to write.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::group_text::text;
use crate::api::Call;
use crate::group::TopicPartition;
use crate::journal::ProducerIdentity;
use crate::node::Node;
use crate::topics;

/// The first version that knows the code PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;

/// Adds all of them or none.
pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let asked = request.v3_and_below_topics.iter().flat_map(|topic| {
        let at = |index: &i32| TopicPartition::new(text(&topic.name), *index);
        topic.partitions.iter().map(at)
    });
    let asked: Vec<_> = asked.collect();
    let is_there = |at: &TopicPartition| {
        let topic = node
            .log
            .topic(&at.topic)
            .filter(|_| !topics::is_internal(&at.topic));
        topic.is_some_and(|topic| topic.partition(at.partition).is_some())
    };
    let unknown: Vec<_> = asked.iter().map(|at| !is_there(at)).collect();
    let codes: Vec<i16> = if unknown.contains(&true) {
        let code = |unknown: bool| match unknown {
            true => ResponseError::UnknownTopicOrPartition.code(),
            false => ResponseError::OperationNotAttempted.code(),
        };
        unknown.into_iter().map(code).collect()
    } else {
        let id = text(&request.v3_and_below_transactional_id);
        let producer = ProducerIdentity {
            id: request.v3_and_below_producer_id.0,
            epoch: request.v3_and_below_producer_epoch,
        };
        let added = node.transactions.ask(|transactions, outside| {
            transactions.add_partitions(outside, &id, producer, &asked)
        });
        let code = match added.await {
            Ok(()) => 0,
            Err(error) => super::producer_error(error, call.version >= KNOWS_FENCED),
        };
        vec![code; asked.len()]
    };
    let mut codes = codes.into_iter();
    let topics = request.v3_and_below_topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .zip(codes.by_ref())
            .map(|(index, code)| {
                AddPartitionsToTxnPartitionResult::default()
                    .with_partition_index(*index)
                    .with_partition_error_code(code)
            });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
}
