//! EndTxn: commits or aborts. The decision stands when this is answered, and markers are written if that
//! takes no longer than it should.

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::group_text::text;
use crate::api::Call;
use crate::journal::ProducerIdentity;
use crate::node::Node;
use crate::transaction::End;

/// The first version that knows the code PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;

/// The first version whose answer says who the producer is from now on.
const HAS_PRODUCER: i16 = 5;

pub(crate) async fn handle(node: &Node, call: &Call, request: EndTxnRequest) -> EndTxnResponse {
    let end = End {
        version: call.version,
        transactional_id: text(&request.transactional_id),
        producer: ProducerIdentity {
            id: request.producer_id.0,
            epoch: request.producer_epoch,
        },
        is_commit: request.committed,
    };
    let response = EndTxnResponse::default();
    let ended = node
        .transactions
        .ask(|transactions, outside| transactions.end(outside, &end))
        .await;
    if ended.is_ok() {
        // What the producer begins next would be refused until then, and its client would wait longer.
        node.transactions.told(&end.transactional_id).await;
    }
    match ended {
        Ok(producer) if call.version >= HAS_PRODUCER => response
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch),
        Ok(_) => response,
        Err(error) => {
            response.with_error_code(super::producer_error(error, call.version >= KNOWS_FENCED))
        }
    }
}
