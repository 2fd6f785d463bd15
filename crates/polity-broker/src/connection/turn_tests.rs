//! Whose requests are worked on, and whose wait.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{DescribeClusterRequest, MetadataRequest, ProduceRequest};
use polity_log::{Durability, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::Activity;
use crate::testing::{Standstill, TestNode, frame};
use crate::wire::turn::Turn;

/// A node to which a request is laborious that takes so long.
fn node(laborious: Duration) -> TestNode {
    let settings = Settings {
        durability: Durability::Os,
        ..Settings::default()
    };
    TestNode::with(&settings, |node| {
        node.budget.turn = Turn::among_those_that_take(laborious);
    })
}

/// All topics.
fn all() -> Bytes {
    frame(9, &MetadataRequest::default().with_topics(None))
}

/// Something that is neither much nor asked for all the time.
fn little() -> Bytes {
    frame(0, &DescribeClusterRequest::default())
}

async fn ask(client: &mut TcpStream, request: &Bytes) {
    client.write_all(request).await.expect("it is taken");
}

async fn is_answered(client: &mut TcpStream) {
    let mut answer = vec![0; client.read_u32().await.expect("a length") as usize];
    client.read_exact(&mut answer).await.expect("an answer");
}

/// For a time in which it would be answered, and no connection is closed for being idle.
async fn is_not_answered(client: &TcpStream) {
    let came = timeout(Duration::from_secs(60), client.peek(&mut [0])).await;
    assert!(came.is_err(), "it is answered out of turn");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_all_that_there_is_waits_for_the_turn_and_others_do_not() {
    let node = node(Duration::MAX);
    let still = Standstill::begin();
    let (mut one, _serving) = node.connect().await;
    let (mut other, _serving) = node.connect().await;
    let turn = node.node.budget.turn.hold().await;
    ask(&mut one, &all()).await;
    ask(&mut other, &little()).await;
    is_answered(&mut other).await;
    drop(still);
    is_not_answered(&one).await;
    let _still = Standstill::begin();
    drop(turn);
    is_answered(&mut one).await;
}

#[tokio::test(start_paused = true)]
async fn whose_last_request_took_long_waits_for_the_turn_with_the_next() {
    let node = node(Duration::ZERO);
    let still = Standstill::begin();
    let (mut one, _serving) = node.connect().await;
    let (mut other, _serving) = node.connect().await;
    ask(&mut one, &little()).await;
    is_answered(&mut one).await;
    let turn = node.node.budget.turn.hold().await;
    ask(&mut one, &little()).await;
    ask(&mut other, &little()).await;
    is_answered(&mut other).await;
    drop(still);
    is_not_answered(&one).await;
    let _still = Standstill::begin();
    drop(turn);
    is_answered(&mut one).await;
}

#[tokio::test]
async fn of_hundreds_of_requests_that_came_at_once_others_are_in_between() {
    let node = node(Duration::MAX);
    let activity = Activity::new(&Arc::new(AtomicU64::new(0)));
    let (client, _serving) = node.connect_as(activity.clone()).await;
    // They are not answered, so that nothing makes who asks wait.
    let silent = frame(3, &ProduceRequest::default().with_acks(0));
    let many = silent.repeat(400);
    assert_eq!(client.try_write(&many).expect("it is taken"), many.len());
    while activity.last() == 0 {
        tokio::task::yield_now().await;
    }
    let handled = activity.last();
    assert!(handled < 200, "{handled} before this test had its turn");
}
