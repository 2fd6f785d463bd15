//! OffsetDelete: forgets how far a group has come in topics that it no longer consumes (KIP-496).

use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::group_text::{id, text};
use crate::group::{GroupId, TopicPartition};
use crate::node::Node;

pub(crate) async fn handle(node: &Node, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let group: GroupId = id(&request.group_id);
    let of_topic = request.topics.iter().flat_map(|topic| {
        let name = text(&topic.name);
        let at = move |index| TopicPartition::new(name.clone(), index);
        topic
            .partitions
            .iter()
            .map(move |it| at(it.partition_index))
    });
    let all: Vec<_> = of_topic.collect();
    let deleted = node
        .groups
        .ask(|groups, outside| groups.delete_offsets(outside, &group, &all));
    let results = match deleted.await {
        Ok(Ok(results)) => results,
        Ok(Err(error)) | Err(error) => {
            return OffsetDeleteResponse::default().with_error_code(error.code());
        }
    };
    let mut results = results.into_iter();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .zip(results.by_ref())
            .map(|(it, result)| {
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(it.partition_index)
                    .with_error_code(result.map_or_else(|error| error.code(), |()| 0))
            });
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
