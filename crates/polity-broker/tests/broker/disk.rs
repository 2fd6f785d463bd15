//! A disk that is full, or fails, as clients see it.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use polity_log::disk::faults::Faults;

use crate::common::{Client, Running, create_topic, text, topic_name};
use crate::records::{batch, fetch, produce};

fn start() -> (Running, Faults) {
    let mut faults = None;
    let broker = Running::start_with(|config| faults = Some(Faults::below(&config.data)));
    (broker, faults.expect("it is set up"))
}

fn commit(client: &mut Client, offset: i64) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("readers")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    client.call(8, &request).topics[0].partitions[0].error_code
}

fn is_retriable(code: i16) -> bool {
    ResponseError::try_from_code(code).is_some_and(|error| error.is_retriable())
}

#[test]
fn while_the_disk_is_full_producers_are_to_try_again_and_consumers_go_on() {
    let (broker, faults) = start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    assert_eq!(produce(&mut client, 12, id, batch(&["a"])).error_code, 0);
    for offset in 1..5 {
        faults.set_full(true);
        let refused = produce(&mut client, 12, id, batch(&["b"]));
        assert!(is_retriable(refused.error_code), "{refused:?}");
        let message = refused.error_message.expect("it says why");
        assert!(message.contains("full"), "{message}");
        assert!(is_retriable(commit(&mut client, offset)));
        let fetched = fetch(&mut client, 12, id, 0);
        assert_eq!((fetched.error_code, fetched.high_watermark), (0, offset));
        assert!(fetched.records.is_some_and(|records| !records.is_empty()));
        faults.set_full(false);
        let taken = produce(&mut client, 12, id, batch(&["c"]));
        assert_eq!((taken.error_code, taken.base_offset), (0, offset));
        assert_eq!(commit(&mut client, offset), 0);
    }
    let broker = broker.restart();
    let fetched = fetch(&mut broker.client(), 12, id, 4);
    assert_eq!((fetched.error_code, fetched.high_watermark), (0, 5));
}

#[test]
fn once_the_disk_has_failed_nothing_is_acknowledged_and_all_that_counted_is_read() {
    let (broker, faults) = start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    assert_eq!(produce(&mut client, 12, id, batch(&["a"])).error_code, 0);
    faults.fail_syncs();
    for what in ["the first", "another"] {
        let refused = produce(&mut client, 12, id, batch(&["b"]));
        assert_eq!(refused.error_code, 56, "KAFKA_STORAGE_ERROR for {what}");
        let message = refused.error_message.expect("it says why");
        assert!(message.contains("the sync failed"), "{message}");
    }
    assert_ne!(commit(&mut client, 1), 0);
    let fetched = fetch(&mut client, 12, id, 0);
    assert_eq!((fetched.error_code, fetched.high_watermark), (0, 1));
    assert!(fetched.records.is_some_and(|records| !records.is_empty()));
    // Others are told so too.
    let mut other = broker.client();
    let refused = produce(&mut other, 12, id, batch(&["b"]));
    assert_eq!(refused.error_code, 56);
}
