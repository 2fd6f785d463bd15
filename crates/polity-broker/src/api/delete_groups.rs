//! DeleteGroups: groups without members, and their offsets.

use std::collections::BTreeSet;

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId as WireId};

use super::group_text::id;
use crate::group::GroupId;
use crate::node::Node;

pub(crate) async fn handle(node: &Node, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let asked: BTreeSet<WireId> = request.groups_names.into_iter().collect();
    let mut results = Vec::new();
    for name in asked {
        let group: GroupId = id(&name);
        let deleted = node
            .groups
            .ask(|groups, outside| groups.delete(outside, &group))
            .await;
        let code = match deleted {
            Ok(Ok(())) => 0,
            Ok(Err(error)) | Err(error) => error.code(),
        };
        results.push(
            DeletableGroupResult::default()
                .with_group_id(name)
                .with_error_code(code),
        );
    }
    DeleteGroupsResponse::default().with_results(results)
}
