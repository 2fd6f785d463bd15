//! InitProducerId: who a producer is, so that what it sends twice is appended once, and so that of two
//! with one transactional id only the later one writes.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::group_text::text;
use crate::api::Call;
use crate::journal::ProducerIdentity;
use crate::node::Node;
use crate::transaction::{Error, InitProducerId};

/// The first version that knows the code PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 4;

pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let response = InitProducerIdResponse::default();
    match init(node, &request).await {
        Ok(producer) => response
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch),
        Err(error) => response
            .with_error_code(super::producer_error(error, call.version >= KNOWS_FENCED))
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}

async fn init(node: &Node, request: &InitProducerIdRequest) -> Result<ProducerIdentity, Error> {
    let Some(id) = &request.transactional_id else {
        // One that is not transactional and had an id gets a new one: there is nothing of the old one
        // that could be gone on with.
        return node
            .transactions
            .ask(|transactions, outside| transactions.new_producer(outside))
            .await;
    };
    let current = (request.producer_id.0 >= 0).then_some(ProducerIdentity {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    });
    let init = InitProducerId {
        transactional_id: text(id),
        timeout_ms: request.transaction_timeout_ms,
        current,
    };
    // A transaction that is aborted for it is aborted whatever the answer, which must outlive the
    // answer all the same.
    let (made, end) = node
        .transactions
        .act(|transactions, outside| transactions.init_producer(outside, &init));
    node.transactions.settled(end).await?;
    made
}
