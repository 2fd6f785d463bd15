//! Large answers, and clients that do not take them.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, GroupId, JoinGroupRequest, JoinGroupResponse,
    SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use polity_log::{Durability, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::limits::ANSWERS_BUDGET;
use crate::testing::{Standstill, TestNode, frame};

/// What each group says of itself, and how many there are: together more than half of what may be held.
const METADATA: usize = 240_000;
const GROUPS: usize = 160;

const JOIN: i16 = 2;
const DESCRIBE: i16 = 0;

async fn call(client: &mut TcpStream, request: Bytes) -> Bytes {
    client.write_all(&request).await.expect("it is taken");
    let mut answer = vec![0; client.read_u32().await.expect("a length") as usize];
    client.read_exact(&mut answer).await.expect("an answer");
    // The correlation id is all of its header.
    Bytes::from(answer).slice(4..)
}

fn group(number: usize) -> GroupId {
    GroupId(StrBytes::from_string(format!("g{number}")))
}

/// Has a member join a group, and be assigned something.
async fn join(client: &mut TcpStream, number: usize) {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(vec![7; METADATA].into());
    let request = JoinGroupRequest::default()
        .with_group_id(group(number))
        .with_session_timeout_ms(30 * 60 * 1000)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol]);
    let mut answer = call(client, frame(JOIN, &request)).await;
    let joined = JoinGroupResponse::decode(&mut answer, JOIN).expect("it decodes");
    assert_eq!(joined.error_code, 0);
    let assigned = SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone());
    let request = SyncGroupRequest::default()
        .with_group_id(group(number))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id)
        .with_assignments(vec![assigned]);
    call(client, frame(0, &request)).await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_a_large_answer_keeps_the_next_from_being_made() {
    let node = TestNode::new(&Settings {
        durability: Durability::Os,
        ..Settings::default()
    });
    let _still = Standstill::begin();
    let (mut honest, _serving) = node.connect().await;
    for number in 0..GROUPS {
        join(&mut honest, number).await;
    }
    let groups = (0..GROUPS).map(group);
    let request = DescribeGroupsRequest::default().with_groups(groups.collect());
    let request = frame(DESCRIBE, &request);
    let mut deaf = Vec::new();
    for _ in 0..10 {
        let (mut client, _serving) = node.connect().await;
        client.write_all(&request).await.expect("it is taken");
        deaf.push(client);
    }
    // One of them is being sent; the others have asked as well, and wait.
    deaf[0].readable().await.expect("it comes");
    let answers = &node.node.answers;
    while answers.waiting() < 9 && answers.weight() <= ANSWERS_BUDGET {
        tokio::task::yield_now().await;
    }
    let held = answers.weight();
    assert!(
        held > ANSWERS_BUDGET / 2 && held <= ANSWERS_BUDGET,
        "{held}"
    );
    drop(deaf);
    let mut answer = call(&mut honest, request).await;
    let told = DescribeGroupsResponse::decode(&mut answer, DESCRIBE).expect("it decodes");
    assert_eq!(told.groups.len(), GROUPS);
    assert!(
        told.groups
            .iter()
            .all(|it| it.members[0].member_metadata.len() == METADATA)
    );
}
