//! FindCoordinator: who looks after a group or a transaction. Here it is always this node.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

use crate::api::Call;
use crate::connection::Client;
use crate::node::{NODE_ID, Node};

/// Keys are groups or transactional ids; a third kind, of share groups, is not served.
const KINDS: std::ops::RangeInclusive<i8> = 0..=1;

pub(crate) fn handle(
    node: &Node,
    client: &Client,
    call: &Call,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let endpoint = node.endpoint(client);
    let response = FindCoordinatorResponse::default();
    let is_known = KINDS.contains(&request.key_type);
    let refused = ResponseError::InvalidRequest.code();
    if call.version >= 4 {
        let coordinators = request.coordinator_keys.into_iter().map(|key| {
            let coordinator = Coordinator::default().with_key(key);
            if is_known {
                coordinator
                    .with_node_id(BrokerId(NODE_ID))
                    .with_host(endpoint.host.clone())
                    .with_port(endpoint.port)
            } else {
                coordinator
                    .with_error_code(refused)
                    .with_node_id(BrokerId(-1))
                    .with_port(-1)
            }
        });
        return response.with_coordinators(coordinators.collect());
    }
    if !is_known {
        return response
            .with_error_code(refused)
            .with_node_id(BrokerId(-1))
            .with_port(-1);
    }
    response
        .with_node_id(BrokerId(NODE_ID))
        .with_host(endpoint.host)
        .with_port(endpoint.port)
}
