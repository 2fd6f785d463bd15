//! Heartbeat: a member is alive, and hears whether it must join again.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::group_text::{id, instance};
use crate::group::{GroupId, Sender};
use crate::node::Node;

pub(crate) async fn handle(node: &Node, request: HeartbeatRequest) -> HeartbeatResponse {
    let group: GroupId = id(&request.group_id);
    let member = id(&request.member_id);
    let instance = instance(request.group_instance_id.as_ref());
    let sender = Sender {
        member: &member,
        instance: instance.as_ref(),
        generation: request.generation_id,
    };
    let beat = node
        .groups
        .ask(|groups, outside| groups.heartbeat(outside, &group, sender));
    let code = match beat.await {
        Ok(Ok(())) => 0,
        Ok(Err(error)) | Err(error) => error.code(),
    };
    HeartbeatResponse::default().with_error_code(code)
}
