//! ConsumerGroupHeartbeat: all that a member of a group of the new protocol says and hears (KIP-848).

use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use smol_str::format_smolstr;

use super::group_text::{client_id, id, instance, on_wire, text};
use crate::api::{self, Call};
use crate::connection::Client;
use crate::group::record;
use crate::group::{self, Heartbeat, HeartbeatAnswer};
use crate::node::Node;

pub(crate) async fn handle(
    node: &Node,
    client: &Client,
    call: &Call,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let heartbeat = read(client, call, &request);
    let beat = node
        .groups
        .ask(|groups, outside| groups.consumer_heartbeat(outside, heartbeat));
    match beat.await {
        Ok(Ok(answer)) => accepted(answer),
        Ok(Err(error)) | Err(error) => ConsumerGroupHeartbeatResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(on_wire(&error.to_string()))),
    }
}

fn read(client: &Client, call: &Call, request: &ConsumerGroupHeartbeatRequest) -> Heartbeat {
    let topics = request.subscribed_topic_names.as_ref();
    let owned = request.topic_partitions.as_ref();
    Heartbeat {
        version: call.version,
        group: id(&request.group_id),
        member: id(&request.member_id),
        epoch: request.member_epoch,
        instance: instance(request.instance_id.as_ref()),
        rack: request.rack_id.as_ref().map(text),
        client: group::Client {
            id: client_id(call),
            host: format_smolstr!("/{}", client.peer.ip()),
        },
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        topics: topics.map(|topics| topics.iter().map(|topic| text(topic)).collect()),
        regex: request.subscribed_topic_regex.as_ref().map(text),
        assignor: request.server_assignor.as_ref().map(text),
        owned: owned.map(|owned| {
            let of_topic = owned.iter().map(|it| record::TopicPartitions {
                topic: it.topic_id,
                partitions: it.partitions.clone(),
            });
            of_topic.collect()
        }),
    }
}

fn accepted(answer: HeartbeatAnswer) -> ConsumerGroupHeartbeatResponse {
    let assignment = answer.assignment.map(|parts| {
        let parts = parts.into_iter().map(|part| {
            TopicPartitions::default()
                .with_topic_id(part.topic)
                .with_partitions(part.partitions)
        });
        Assignment::default().with_topic_partitions(parts.collect())
    });
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(on_wire(answer.member.as_str())))
        .with_member_epoch(answer.epoch)
        .with_heartbeat_interval_ms(api::number(answer.interval.as_millis()))
        .with_assignment(assignment)
}
