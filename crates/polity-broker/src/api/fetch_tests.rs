//! Fetch: what is looked at, and what is not.

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::protocol::StrBytes;
use polity_log::{Durability, Settings};

use super::*;
use crate::testing::{TestNode, append};

const PARTITIONS: u32 = 1000;

fn node() -> TestNode {
    TestNode::new(&Settings {
        durability: Durability::Os,
        ..Settings::default()
    })
}

fn request(id: i32, epoch: i32, partitions: impl Iterator<Item = (i32, i64)>) -> FetchRequest {
    let partitions = partitions.map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20)
    });
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("orders")))
        .with_partitions(partitions.collect());
    FetchRequest::default()
        .with_session_id(id)
        .with_session_epoch(epoch)
        .with_max_bytes(i32::MAX)
        .with_min_bytes(1)
        .with_max_wait_ms(500)
        .with_topics(vec![topic])
}

/// What a request of a session is answered: how many partitions, and their bytes.
async fn ask(node: &TestNode, request: &FetchRequest) -> (i32, Round) {
    let sessions = &node.node.fetch_sessions;
    let mut session = sessions.begin(request).expect("a session");
    let round = answer(&node.node, &mut session, Asked::new(request)).await;
    (session.id, round)
}

fn looked_at(round: &Round) -> Vec<usize> {
    round.outcomes.iter().map(|it| it.place).collect()
}

fn all() -> impl Iterator<Item = (i32, i64)> {
    (0..PARTITIONS as i32).map(|partition| (partition, 0))
}

#[tokio::test(start_paused = true)]
async fn only_what_has_moved_is_looked_at() {
    let node = node();
    let topic = node.create_topic("orders", PARTITIONS);
    let (id, round) = ask(&node, &request(0, 0, all())).await;
    assert_eq!(round.outcomes.len(), PARTITIONS as usize);
    let none = || std::iter::empty();
    let (_, round) = ask(&node, &request(id, 1, none())).await;
    assert_eq!(looked_at(&round), []);
    append(&topic.partitions()[7], b"a");
    let (_, round) = ask(&node, &request(id, 2, none())).await;
    assert_eq!(looked_at(&round), [7]);
    // It was not said to be read: it is given again.
    let (_, round) = ask(&node, &request(id, 3, none())).await;
    assert_eq!((looked_at(&round), round.bytes > 0), (vec![7], true));
    let (_, round) = ask(&node, &request(id, 4, [(7, 1)].into_iter())).await;
    assert_eq!(round.bytes, 0);
    let (_, round) = ask(&node, &request(id, 5, none())).await;
    assert_eq!(looked_at(&round), []);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_more_is_told_once_it_is_enough() {
    let node = node();
    let topic = node.create_topic("orders", 3);
    let partitions = topic.partitions().to_vec();
    append(&partitions[0], &[0; 600]);
    let request = request(0, 0, [(0, 0), (1, 0), (2, 0)].into_iter())
        .with_min_bytes(2500)
        .with_max_wait_ms(60_000);
    let begun = Instant::now();
    let appending = tokio::spawn(async move {
        for partition in [1, 0, 0] {
            tokio::time::sleep(Duration::from_secs(1)).await;
            append(&partitions[partition], &[0; 600]);
        }
    });
    let (_, round) = ask(&node, &request).await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    assert!(round.bytes > 4 * 600);
    assert_eq!(looked_at(&round), [0, 1, 2]);
    appending.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn files_in_an_answer_are_few_and_every_partition_has_its_turn() {
    let node = node();
    let topic = node.create_topic("orders", 200);
    for partition in topic.partitions() {
        append(partition, &[0; COPY_UP_TO]);
    }
    let (id, round) = ask(&node, &request(0, 0, (0..200).map(|it| (it, 0)))).await;
    let with_records = |round: &Round| -> Vec<usize> {
        let there = |it: &&Outcome| it.found.as_ref().is_ok_and(|it| it.slice.is_some());
        round
            .outcomes
            .iter()
            .filter(there)
            .map(|it| it.place)
            .collect()
    };
    assert_eq!(
        round.outcomes.len(),
        200,
        "of each it is told where it ends"
    );
    let mut read = with_records(&round);
    assert_eq!(read.len(), MAX_FILES);
    for epoch in 1..4 {
        let (_, round) = ask(&node, &request(id, epoch, std::iter::empty())).await;
        assert!(with_records(&round).len() <= MAX_FILES);
        read.extend(with_records(&round));
    }
    read.sort_unstable();
    read.dedup();
    assert_eq!(read.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_comes_again_is_found_again() {
    let node = node();
    let topic = node.create_topic("orders", 1);
    let (id, _) = ask(&node, &request(0, 0, [(0, 0)].into_iter())).await;
    node.node.delete_topic(&topic).await.expect("it is deleted");
    let none = || std::iter::empty();
    let (_, round) = ask(&node, &request(id, 1, none())).await;
    assert!(round.has_failed);
    let topic = node.create_topic("orders", 1);
    append(&topic.partitions()[0], b"a");
    let (_, round) = ask(&node, &request(id, 2, none())).await;
    assert!(round.bytes > 0);
}
