//! Offsets of groups, by the protocol alone.

use std::fs;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};

use crate::common::{Client, Running, create_topic, text, topic_name};

fn commit(client: &mut Client, topic: &str, offset: i64) -> i16 {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    client.call(8, &request).topics[0].partitions[0].error_code
}

fn committed(client: &mut Client, topic: &str) -> i64 {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_topics(Some(vec![topic]));
    client.call(7, &request).topics[0].partitions[0].committed_offset
}

#[test]
fn offsets_in_a_topic_that_is_gone_are_gone_at_the_start() {
    let broker = Running::start();
    let mut client = broker.client();
    for topic in ["gone", "stays"] {
        create_topic(&mut client, topic, 1);
        assert_eq!(commit(&mut client, topic, 5), 0);
    }
    drop(client);
    // As far as a broker comes that dies while it deletes a topic.
    let broker = broker.restart_after(|data| {
        fs::remove_file(data.join("gone.topic")).expect("it is there");
        fs::remove_dir_all(data.join("gone-0")).expect("it is there");
    });
    let mut client = broker.client();
    assert_eq!(committed(&mut client, "gone"), -1);
    assert_eq!(committed(&mut client, "stays"), 5);
    drop(client);
    let broker = broker.restart();
    assert_eq!(committed(&mut broker.client(), "stays"), 5);
}
