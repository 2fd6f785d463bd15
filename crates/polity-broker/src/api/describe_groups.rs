//! DescribeGroups: the members of classic groups, and what each was assigned.

use std::collections::BTreeSet;

use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId as WireId};

use super::group_text::{id, on_wire};
use crate::api::{Call, GROUP_OPERATIONS};
use crate::group::{DescribedMember, Description, Error, GroupId, State};
use crate::node::Node;

/// The first version that says that there is no such group.
const NOT_FOUND: i16 = 6;

pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    // Each once, however often it is asked for: an answer must not grow far beyond its request.
    let asked: BTreeSet<WireId> = request.groups.into_iter().collect();
    let described = node.groups.ask(|groups, _| {
        let described = asked
            .iter()
            .map(|group| (group, groups.describe(&id::<GroupId>(group))));
        described
            .map(|(group, found)| describe(call, group, found))
            .collect()
    });
    let groups: Vec<_> = described.await.unwrap_or_else(|error| {
        let failed = |group: &WireId| {
            DescribedGroup::default()
                .with_group_id(group.clone())
                .with_error_code(error.code())
        };
        asked.iter().map(failed).collect()
    });
    let operations = match request.include_authorized_operations {
        true => GROUP_OPERATIONS,
        false => i32::MIN,
    };
    let groups = groups
        .into_iter()
        .map(|group| group.with_authorized_operations(operations));
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(call: &Call, group: &WireId, found: Option<Description>) -> DescribedGroup {
    let response = DescribedGroup::default().with_group_id(group.clone());
    match found {
        Some(found) => response
            .with_group_state(on_wire(found.state))
            .with_protocol_type(on_wire(&found.protocol_type))
            .with_protocol_data(on_wire(&found.protocol))
            .with_members(
                found
                    .members
                    .into_iter()
                    .map(|it| member(call, it))
                    .collect(),
            ),
        None if call.version >= NOT_FOUND => response
            .with_error_code(Error::GroupIdNotFound.code())
            .with_error_message(Some(on_wire(&Error::GroupIdNotFound.to_string())))
            .with_group_state(on_wire(State::Dead.name())),
        None => response.with_group_state(on_wire(State::Dead.name())),
    }
}

fn member(call: &Call, member: DescribedMember) -> DescribedGroupMember {
    // There is no place for it before version 4.
    let instance = member.instance.filter(|_| call.version >= 4);
    DescribedGroupMember::default()
        .with_member_id(on_wire(member.id.as_str()))
        .with_group_instance_id(instance.map(|it| on_wire(it.as_str())))
        .with_client_id(on_wire(&member.client.id))
        .with_client_host(on_wire(&member.client.host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment)
}
