//! A connection from end to end.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    FetchRequest, ProduceRequest, ProduceResponse, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use polity_log::batch::BatchBuilder;
use polity_log::{Durability, Offset, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::limits::STALL_TIMEOUT;
use crate::testing::{Standstill, TestNode, append, frame};

/// Files below a folder that are open and gone from it: their space is not given back.
fn open_and_deleted(folder: &Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("the system says what is open");
    let links = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links
        .filter(|link| link.starts_with(folder) && link.to_string_lossy().ends_with(" (deleted)"))
        .count()
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_what_he_fetched_is_given_up_and_deleted_files_with_him() {
    let node = TestNode::new(&Settings {
        durability: Durability::Os,
        ..Settings::default()
    });
    let topic = node.create_topic("orders", 1);
    let value = vec![0; 900_000];
    for _ in 0..40 {
        append(&topic.partitions()[0], &value);
    }
    let partition = FetchPartition::default().with_partition_max_bytes(i32::MAX);
    let topics = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("orders")))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_session_epoch(-1)
        .with_max_bytes(i32::MAX)
        .with_topics(vec![topics]);
    let still = Standstill::begin();
    let (mut slow, serving) = node.connect().await;
    slow.write_all(&frame(12, &request))
        .await
        .expect("it is taken");
    // The answer has begun.
    slow.readable().await.expect("it comes");
    node.node.delete_topic(&topic).await.expect("it is deleted");
    drop(topic);
    let folder = node.folder.path().canonicalize().expect("it is there");
    assert_eq!(open_and_deleted(&folder), 1, "it is still to be sent");
    drop(still);
    let begun = Instant::now();
    serving.await.expect("it ends");
    assert!(begun.elapsed() <= STALL_TIMEOUT + Duration::from_secs(1));
    assert_eq!(open_and_deleted(&folder), 0);
}

const PRODUCE: i16 = 12;

fn produce(value: &[u8]) -> Bytes {
    let batch = BatchBuilder::new().record(1000, None, Some(value)).build();
    let data = PartitionProduceData::default().with_records(Some(batch.into()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(60_000)
        .with_topic_data(vec![topic]);
    frame(PRODUCE, &request)
}

/// The next answer: where the batch is.
async fn produced(client: &mut TcpStream) -> i64 {
    let mut answer = vec![0; client.read_u32().await.expect("a length") as usize];
    client.read_exact(&mut answer).await.expect("an answer");
    let mut answer = Bytes::from(answer);
    ResponseHeader::decode(&mut answer, 1).expect("a header");
    let told = ProduceResponse::decode(&mut answer, PRODUCE).expect("it decodes");
    assert!(answer.is_empty(), "there is more in it");
    let partition = &told.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, 0);
    partition.base_offset
}

#[tokio::test]
async fn what_one_flush_brings_is_answered_in_the_order_in_which_it_was_asked() {
    // Nothing is made durable until the test says so.
    let node = TestNode::new(&Settings {
        flush_threads: 0,
        ..Settings::default()
    });
    let topic = node.create_topic("orders", 1);
    let partition = &topic.partitions()[0];
    let (mut client, _serving) = node.connect().await;
    // More than the queue holds.
    let count = 100;
    for _ in 0..count {
        client.write_all(&produce(b"a")).await.expect("it is taken");
    }
    let answered = async {
        for expected in 0..count {
            assert_eq!(produced(&mut client).await, expected);
        }
    };
    let flushing = async {
        for end in [count / 2, count] {
            while partition.offsets().end < Offset(end) {
                tokio::task::yield_now().await;
            }
            node.node.log.flush();
        }
    };
    tokio::join!(answered, flushing);
}
