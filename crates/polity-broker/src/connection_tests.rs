//! A connection from end to end, in a time that passes as fast as it can.

use std::path::Path;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use polity_log::{Durability, Settings};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::limits::STALL_TIMEOUT;
use crate::testing::{TestNode, append, frame};

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
    let begun = Instant::now();
    serving.await.expect("it ends");
    assert!(begun.elapsed() <= STALL_TIMEOUT + Duration::from_secs(1));
    assert_eq!(open_and_deleted(&folder), 0);
}
