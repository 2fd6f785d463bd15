//! DescribeTransactions: where the transactions of some ids stand (KIP-664).

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TransactionalId,
};

use super::group_text::on_wire;
use crate::node::Node;
use crate::transaction::{Error, Metadata};

pub(crate) async fn handle(
    node: &Node,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let asked: BTreeSet<TransactionalId> = request.transactional_ids.into_iter().collect();
    let state =
        |id: &TransactionalId| TransactionState::default().with_transactional_id(id.clone());
    let failed = |id: &TransactionalId, error: Error| state(id).with_error_code(error.code());
    let described = node.transactions.ask(|transactions, _| {
        let describe = |id: &TransactionalId| match transactions.describe(id) {
            Some(metadata) => describe(state(id), metadata),
            None => failed(id, Error::TransactionalIdNotFound),
        };
        Ok(asked.iter().map(describe).collect())
    });
    let described = described.await;
    let states =
        described.unwrap_or_else(|error| asked.iter().map(|id| failed(id, error)).collect());
    DescribeTransactionsResponse::default().with_transaction_states(states)
}

fn describe(state: TransactionState, metadata: &Metadata) -> TransactionState {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for at in &metadata.partitions {
        topics.entry(&at.topic).or_default().push(at.partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicData::default()
            .with_topic(on_wire(topic).into())
            .with_partitions(partitions)
    });
    state
        .with_transaction_state(on_wire(metadata.state.name()))
        .with_transaction_timeout_ms(metadata.timeout_ms)
        .with_transaction_start_time_ms(metadata.started_at_ms)
        .with_producer_id(ProducerId(metadata.producer.id))
        .with_producer_epoch(metadata.producer.epoch)
        .with_topics(topics.collect())
}
