//! TxnOffsetCommit: how far a group has come, if the transaction is committed.

use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use kafka_protocol::protocol::StrBytes;

use super::group_text::{id, instance, text};
use super::offset_commit::{codes, existing};
use crate::api::Call;
use crate::group::{self, Commit, Context, Coordinator, NewOffset, TopicPartition};
use crate::journal::ProducerIdentity;
use crate::node::Node;

/// The first version that adds the group to the transaction by itself (KIP-890).
const ADDS: i16 = 5;

pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter();
    let asked = topics.flat_map(|topic| topic.partitions.iter().map(|it| (&topic.name.0, it)));
    let asked: Vec<_> = asked.map(|(topic, it)| new_offset(topic, it)).collect();
    let mut known = Vec::new();
    let commit = Commit {
        group: id(&request.group_id),
        member: id(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        retention_ms: None,
        offsets: Vec::new(),
    };
    let commit = |groups: &mut Coordinator, outside: &mut Context<'_>, producer| {
        let offsets;
        (offsets, known) = existing(node, asked);
        groups.commit_in_transaction(outside, producer, Commit { offsets, ..commit })
    };
    let mut codes = match commit_in_transaction(node, call, &request, commit).await {
        Ok(committed) => codes(committed, known),
        Err(code) => {
            let partitions = request.topics.iter().map(|topic| topic.partitions.len());
            vec![code; partitions.sum()]
        }
    }
    .into_iter();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .zip(codes.by_ref())
            .map(|(it, code)| {
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(it.partition_index)
                    .with_error_code(code)
            });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

type Results = Result<Vec<Result<(), group::Error>>, group::Error>;

/// Commits under the transaction coordinator's lock: the transaction cannot end in between.
async fn commit_in_transaction(
    node: &Node,
    call: &Call,
    request: &TxnOffsetCommitRequest,
    commit: impl FnOnce(&mut Coordinator, &mut Context<'_>, ProducerIdentity) -> Results,
) -> Result<Result<Results, group::Error>, i16> {
    let transactional_id = text(&request.transactional_id);
    let producer = ProducerIdentity {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let at = super::offsets_partition();
    let (committed, decided) = node.transactions.act(|transactions, outside| {
        if call.version >= ADDS {
            transactions.add_partitions(outside, &transactional_id, producer, &[at])?;
        } else {
            transactions.verify(&transactional_id, producer, &at)?;
        }
        Ok(node
            .groups
            .act(|groups, outside| commit(groups, outside, producer)))
    });
    let code = |error| super::producer_error(error, true);
    let (committed, end) = committed.map_err(code)?;
    node.transactions.settled(decided).await.map_err(code)?;
    Ok(node.groups.settled(end).await.map(|()| committed))
}

fn new_offset(topic: &StrBytes, asked: &TxnOffsetCommitRequestPartition) -> NewOffset {
    NewOffset {
        at: TopicPartition::new(text(topic), asked.partition_index),
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: asked
            .committed_metadata
            .as_ref()
            .map(text)
            .unwrap_or_default(),
    }
}
