//! What one request can have the broker make.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{CreateTopicsRequest, MetadataRequest};

use crate::common::{Client, Running, topic_name};

const LEADER_NOT_AVAILABLE: i16 = 5;
const POLICY_VIOLATION: i16 = 44;

/// How many of `topics` topics there are once they are asked for, and what the others are answered.
fn ask(client: &mut Client, topics: usize) -> (usize, Vec<i16>) {
    let topics = (0..topics).map(|topic| {
        let name = topic_name(&format!("t{topic}"));
        MetadataRequestTopic::default().with_name(Some(name))
    });
    let request = MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(true);
    let mut codes: Vec<_> = client
        .call(12, &request)
        .topics
        .iter()
        .map(|topic| topic.error_code)
        .collect();
    codes.retain(|code| *code != 0);
    (request.topics.map_or(0, |it| it.len()) - codes.len(), codes)
}

#[test]
fn a_request_has_so_many_topics_made_by_asking_and_the_next_has_more() {
    let broker = Running::start_with(|config| config.durability = polity_broker::Durability::Os);
    let mut client = broker.client();
    for there in [100, 200, 250] {
        let (made, others) = ask(&mut client, 250);
        assert_eq!(made, there);
        // Which clients ask for again.
        assert!(others.iter().all(|code| *code == LEADER_NOT_AVAILABLE));
    }
    let all = client.call(12, &MetadataRequest::default().with_topics(None));
    let made = all.topics.iter().filter(|topic| !topic.is_internal);
    assert_eq!(made.count(), 250);
}

#[test]
fn a_request_for_too_many_partitions_makes_none() {
    let broker = Running::start();
    let mut client = broker.client();
    let topics = (0..3).map(|topic| {
        CreatableTopic::default()
            .with_name(topic_name(&format!("t{topic}")))
            .with_num_partitions(3400)
            .with_replication_factor(1)
    });
    let request = CreateTopicsRequest::default().with_topics(topics.collect());
    let answer = client.call(7, &request);
    assert!(
        answer
            .topics
            .iter()
            .all(|topic| topic.error_code == POLICY_VIOLATION)
    );
    let all = client.call(12, &MetadataRequest::default().with_topics(None));
    assert!(all.topics.iter().all(|topic| topic.is_internal));
}
