//! InitProducerId: an id for a producer, so that what it sends twice is appended once.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::errors::Failure;
use crate::node::Node;

pub(crate) async fn handle(
    node: &Arc<Node>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let response = InitProducerIdResponse::default();
    match init(node, &request).await {
        Ok((id, epoch)) => response
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch),
        Err(failure) => response
            .with_error_code(failure.code)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}

async fn init(node: &Arc<Node>, request: &InitProducerIdRequest) -> Result<(i64, i16), Failure> {
    if request.transactional_id.is_some() {
        return Err(ResponseError::TransactionalIdAuthorizationFailed.into());
    }
    // A producer that is not transactional and had an id gets a new one: nothing is known of the old
    // one that could be gone on with.
    let id = node.blocking(|node| node.producer_ids.next()).await;
    let id = id.map_err(|error| Failure::because(ResponseError::KafkaStorageError, error))?;
    Ok((id, 0))
}
