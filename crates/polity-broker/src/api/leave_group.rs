//! LeaveGroup: members go, of their own will or of an administrator's.

use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::group_text::{id, instance};
use crate::api::Call;
use crate::group::{GroupId, Leaving};
use crate::node::Node;

/// The first version in which several members leave at once.
const SEVERAL: i16 = 3;

pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let group: GroupId = id(&request.group_id);
    let leaving: Vec<_> = match call.version {
        SEVERAL.. => request
            .members
            .iter()
            .map(|member| Leaving {
                member: id(&member.member_id),
                instance: instance(member.group_instance_id.as_ref()),
            })
            .collect(),
        _ => vec![Leaving {
            member: id(&request.member_id),
            instance: None,
        }],
    };
    let response = LeaveGroupResponse::default();
    let left = node
        .groups
        .ask(|groups, outside| groups.leave(outside, &group, &leaving))
        .await;
    let results = match left {
        Ok(Ok(results)) => results
            .into_iter()
            .map(|result| result.map_or_else(|it| it.code(), |()| 0)),
        Ok(Err(error)) | Err(error) => return response.with_error_code(error.code()),
    };
    if call.version < SEVERAL {
        return response.with_error_code(results.sum());
    }
    let members = request
        .members
        .into_iter()
        .zip(results)
        .map(|(member, code)| {
            MemberResponse::default()
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
                .with_error_code(code)
        });
    response.with_members(members.collect())
}
