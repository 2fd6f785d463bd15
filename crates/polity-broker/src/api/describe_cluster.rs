//! DescribeCluster: the cluster's id, and its one node.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

use crate::api;
use crate::connection::Client;
use crate::node::{NODE_ID, Node};

/// What clients may ask about: brokers, not the controllers behind them (KIP-919).
const BROKERS: i8 = 1;

pub(crate) fn handle(
    node: &Node,
    client: &Client,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let response = DescribeClusterResponse::default();
    if request.endpoint_type != BROKERS {
        return response.with_error_code(ResponseError::MismatchedEndpointType.code());
    }
    let endpoint = node.endpoint(client);
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE_ID))
        .with_host(endpoint.host)
        .with_port(endpoint.port);
    let operations = match request.include_cluster_authorized_operations {
        true => api::CLUSTER_OPERATIONS,
        false => i32::MIN,
    };
    response
        .with_cluster_id(StrBytes::from_string(node.cluster_id.clone()))
        .with_controller_id(BrokerId(NODE_ID))
        .with_brokers(vec![broker])
        .with_cluster_authorized_operations(operations)
}
