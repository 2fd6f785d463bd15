//! OffsetCommit: how far a group has come.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kafka_protocol::protocol::StrBytes;

use super::group_text::{id, instance, text};
use crate::group::{Commit, NewOffset, TopicPartition};
use crate::node::Node;

pub(crate) async fn handle(node: &Node, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let topics = request.topics.iter();
    let asked = topics.flat_map(|topic| topic.partitions.iter().map(|it| (&topic.name.0, it)));
    let asked: Vec<_> = asked.map(|(topic, it)| new_offset(topic, it)).collect();
    let mut commit = Commit {
        group: id(&request.group_id),
        member: id(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
        generation: request.generation_id_or_member_epoch,
        retention_ms: Some(request.retention_time_ms).filter(|it| *it >= 0),
        offsets: Vec::new(),
    };
    let mut known = Vec::new();
    let committed = node.groups.ask(|groups, outside| {
        (commit.offsets, known) = existing(node, asked);
        groups.commit(outside, commit)
    });
    let committed = committed.await;
    let mut codes = codes(committed, known).into_iter();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .zip(codes.by_ref())
            .map(|(it, code)| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(it.partition_index)
                    .with_error_code(code)
            });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn new_offset(topic: &StrBytes, asked: &OffsetCommitRequestPartition) -> NewOffset {
    let metadata = asked.committed_metadata.as_ref();
    NewOffset {
        at: TopicPartition::new(text(topic), asked.partition_index),
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: metadata.map(text).unwrap_or_default(),
    }
}

/// The offsets that are of partitions there are, and of each whether it is. To be asked under the
/// groups' lock: then a topic that is being deleted takes what is committed in it with it.
pub(super) fn existing(node: &Node, asked: Vec<NewOffset>) -> (Vec<NewOffset>, Vec<bool>) {
    let mut offsets = Vec::new();
    let mut known = Vec::new();
    for offset in asked {
        let topic = node.log.topic(&offset.at.topic);
        let is_known = topic.is_some_and(|topic| topic.partition(offset.at.partition).is_some());
        known.push(is_known);
        if is_known {
            offsets.push(offset);
        }
    }
    (offsets, known)
}

/// The code for each offset asked for, by what became of those that went to the coordinator.
pub(super) fn codes(
    committed: Result<
        Result<Vec<Result<(), crate::group::Error>>, crate::group::Error>,
        crate::group::Error,
    >,
    known: Vec<bool>,
) -> Vec<i16> {
    let (all, each) = match committed {
        Ok(Ok(results)) => (0, results),
        Ok(Err(error)) | Err(error) => (error.code(), Vec::new()),
    };
    let mut each = each.into_iter();
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    let code = |is_known| match (all, is_known) {
        (0, false) => unknown,
        (0, true) => each
            .next()
            .and_then(Result::err)
            .map_or(0, |error| error.code()),
        (error, _) => error,
    };
    known.into_iter().map(code).collect()
}
