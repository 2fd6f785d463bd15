//! AddOffsetsToTxn: a transaction is going to commit offsets of a group.

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::group_text::text;
use crate::api::Call;
use crate::journal::ProducerIdentity;
use crate::node::Node;

/// The first version that knows the code PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;

pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let id = text(&request.transactional_id);
    let producer = ProducerIdentity {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let offsets = [super::offsets_partition()];
    let added = node
        .transactions
        .ask(|transactions, outside| transactions.add_partitions(outside, &id, producer, &offsets));
    let code = match added.await {
        Ok(()) => 0,
        Err(error) => super::producer_error(error, call.version >= KNOWS_FENCED),
    };
    AddOffsetsToTxnResponse::default().with_error_code(code)
}
