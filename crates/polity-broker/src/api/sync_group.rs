//! SyncGroup: the leader brings the assignment, every member fetches its part.

use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::group_text::{bytes, id, instance, on_wire, text};
use crate::group::{Error, Sync};
use crate::node::Node;

pub(crate) async fn handle(node: &Node, sync: Sync) -> SyncGroupResponse {
    let synced = tokio::select! {
        synced = node.groups.sync(sync) => synced,
        () = node.stopping() => Err(Error::CoordinatorNotAvailable),
    };
    match synced {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(Some(on_wire(&synced.protocol_type)))
            .with_protocol_name(synced.protocol.map(|name| on_wire(&name)))
            .with_assignment(synced.assignment),
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}

/// Copied out of the request, which would be held while the member waits.
pub(crate) fn read(request: &SyncGroupRequest) -> Sync {
    let assignments = request.assignments.iter();
    Sync {
        group: id(&request.group_id),
        member: id(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        protocol_type: request.protocol_type.as_ref().map(text),
        protocol: request.protocol_name.as_ref().map(text),
        assignments: assignments
            .map(|it| (id(&it.member_id), bytes(&it.assignment)))
            .collect(),
    }
}
