//! JoinGroup: a consumer becomes a member of its group, or says that it wants another share.

use std::time::Duration;

use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use smol_str::format_smolstr;

use super::group_text::{bytes, client_id, id, instance, on_wire, text};
use crate::api::Call;
use crate::connection::Client;
use crate::group;
use crate::group::{Join, JoinRefused, Joined};
use crate::node::Node;

pub(crate) async fn handle(node: &Node, call: &Call, join: Join) -> JoinGroupResponse {
    let member = join.member.clone();
    let joined = tokio::select! {
        joined = node.groups.join(join) => joined,
        // It is still a member to the coordinator, and joins the next broker's group anew.
        () = node.stopping() => Err(JoinRefused {
            error: group::Error::CoordinatorNotAvailable,
            member,
        }),
    };
    match joined {
        Ok(joined) => accepted(joined),
        Err(refused) => {
            // From version 7 on, no protocol is null; before that it is empty.
            let nothing = (call.version < 7).then(Default::default);
            JoinGroupResponse::default()
                .with_error_code(refused.error.code())
                .with_generation_id(-1)
                .with_protocol_name(nothing)
                .with_member_id(on_wire(refused.member.as_str()))
        }
    }
}

/// Copied out of the request, which would be held while the member waits.
pub(crate) fn read(client: &Client, call: &Call, request: &JoinGroupRequest) -> Join {
    let session_timeout = milliseconds(request.session_timeout_ms);
    let protocols = request.protocols.iter();
    Join {
        version: call.version,
        group: id(&request.group_id),
        member: id(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
        client: group::Client {
            id: client_id(call),
            host: format_smolstr!("/{}", client.peer.ip()),
        },
        session_timeout,
        rebalance_timeout: match call.version {
            0 => session_timeout,
            _ => milliseconds(request.rebalance_timeout_ms),
        },
        protocol_type: text(&request.protocol_type),
        protocols: protocols
            .map(|protocol| (text(&protocol.name), bytes(&protocol.metadata)))
            .collect(),
    }
}

fn milliseconds(number: i32) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}

fn accepted(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(on_wire(member.id.as_str()))
            .with_group_instance_id(member.instance.map(|it| on_wire(it.as_str())))
            .with_metadata(member.metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(Some(on_wire(&joined.protocol_type)))
        .with_protocol_name(Some(on_wire(&joined.protocol.unwrap_or_default())))
        .with_leader(on_wire(joined.leader.as_str()))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(on_wire(joined.member.as_str()))
        .with_members(members.collect())
}
