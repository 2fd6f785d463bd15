//! ListGroups: which groups there are, of certain states or types if asked for.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::group_text::on_wire;
use crate::api::Call;
use crate::group::Listed;
use crate::node::Node;

pub(crate) async fn handle(
    node: &Node,
    call: &Call,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    let is_among = |filter: &[StrBytes], name: &str| {
        filter.is_empty() || filter.iter().any(|it| it.eq_ignore_ascii_case(name))
    };
    let listed = node.groups.ask(|groups, _| {
        let asked = groups.list().filter(|group| {
            is_among(&request.states_filter, group.state)
                && is_among(&request.types_filter, group.group_type.name())
        });
        asked.map(|group| describe(call, &group)).collect()
    });
    match listed.await {
        Ok(groups) => ListGroupsResponse::default().with_groups(groups),
        Err(error) => ListGroupsResponse::default().with_error_code(error.code()),
    }
}

fn describe(call: &Call, group: &Listed) -> ListedGroup {
    // States have a place from version 4 on, types from version 5.
    let text = |since: i16, text: &str| {
        if call.version >= since {
            on_wire(text)
        } else {
            on_wire("")
        }
    };
    ListedGroup::default()
        .with_group_id(on_wire(group.id.as_str()).into())
        .with_protocol_type(on_wire(&group.protocol_type))
        .with_group_state(text(4, group.state))
        .with_group_type(text(5, group.group_type.name()))
}
