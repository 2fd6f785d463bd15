//! Records: in by Produce, out by Fetch, in every version of both.

use bytes::Bytes;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Message;
use polity_broker::Durability;
use polity_log::batch::BatchBuilder;
use polity_log::{ProducerEpoch, ProducerId};
use uuid::Uuid;

use crate::common::{Client, Running, create_topic, topic_name};

pub(crate) fn batch(values: &[&str]) -> Bytes {
    let add = |batch: BatchBuilder, value: &&str| batch.record(1000, None, Some(value.as_bytes()));
    values.iter().fold(BatchBuilder::new(), add).build().into()
}

pub(crate) fn produce_request(
    version: i16,
    id: Uuid,
    partition: i32,
    records: Bytes,
) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(records));
    let topic = TopicProduceData::default().with_partition_data(vec![data]);
    let topic = if version >= 13 {
        topic.with_topic_id(id)
    } else {
        topic.with_name(topic_name("t"))
    };
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic])
}

pub(crate) fn produce(
    client: &mut Client,
    version: i16,
    id: Uuid,
    records: Bytes,
) -> PartitionProduceResponse {
    let request = produce_request(version, id, 0, records);
    let mut response = client.call(version, &request);
    response.responses.remove(0).partition_responses.remove(0)
}

pub(crate) fn fetch_request(version: i16, id: Uuid, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions.iter().map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20)
    });
    let topic = FetchTopic::default().with_partitions(partitions.collect());
    let topic = if version >= 13 {
        topic.with_topic_id(id)
    } else {
        topic.with_topic(topic_name("t"))
    };
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

pub(crate) fn fetch(client: &mut Client, version: i16, id: Uuid, offset: i64) -> PartitionData {
    let mut response = client.call(version, &fetch_request(version, id, &[(0, offset)]));
    assert_eq!(response.error_code, 0);
    response.responses.remove(0).partitions.remove(0)
}

/// The batches that were sent, as they come back: with their offsets put in.
fn numbered(batches: &[Bytes]) -> Vec<u8> {
    let mut all = Vec::new();
    for (offset, batch) in batches.iter().enumerate() {
        let mut batch = batch.to_vec();
        batch[..8].copy_from_slice(&(offset as i64).to_be_bytes());
        batch[12..16].copy_from_slice(&0_i32.to_be_bytes());
        all.extend(batch);
    }
    all
}

#[test]
fn what_any_version_produces_every_version_fetches() {
    for durability in [Durability::Fsync, Durability::Os] {
        let broker = Running::start_with(|config| config.durability = durability);
        let mut client = broker.client();
        let id = create_topic(&mut client, "t", 1);
        let versions = ProduceRequest::VERSIONS;
        // Small ones are copied into answers, large ones sent from their file.
        let large = "x".repeat(20_000);
        let sent: Vec<_> = (versions.min..=versions.max)
            .map(|version| batch(&[if version % 2 == 0 { "small" } else { &large }]))
            .collect();
        for (version, records) in (versions.min..).zip(&sent) {
            let produced = produce(&mut client, version, id, records.clone());
            let offset = i64::from(version - versions.min);
            assert_eq!(
                (produced.error_code, produced.base_offset),
                (0, offset),
                "{version}"
            );
        }
        let sent = numbered(&sent);
        for version in FetchRequest::VERSIONS.min..=FetchRequest::VERSIONS.max {
            let fetched = fetch(&mut client, version, id, 0);
            assert_eq!(fetched.high_watermark, 11, "{version}");
            assert!(fetched.records.as_deref() == Some(&sent[..]), "{version}");
        }
        let beyond = fetch(&mut client, 12, id, 12);
        assert_eq!(beyond.error_code, 1, "OFFSET_OUT_OF_RANGE");
        let broker = broker.restart();
        let mut client = broker.client();
        assert!(
            fetch(&mut client, 12, id, 0).records.as_deref() == Some(&sent[..]),
            "after a restart"
        );
    }
}

#[test]
fn what_is_not_a_batch_is_refused_and_the_next_is_taken() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    let mut broken = batch(&["a"]).to_vec();
    *broken.last_mut().expect("a byte") ^= 1;
    let mut old = batch(&["a"]).to_vec();
    old[16] = 1;
    let two = [batch(&["a"]), batch(&["b"])].concat();
    for (what, bytes, code) in [
        ("a wrong checksum", broken, 2),
        ("an old format", old, 43),
        ("two batches", two, 87),
        ("nothing", Vec::new(), 2),
    ] {
        assert_eq!(
            produce(&mut client, 12, id, bytes.into()).error_code,
            code,
            "{what}"
        );
    }
    let nowhere = produce(&mut client, 13, Uuid::from_u128(7), batch(&["a"]));
    assert_eq!(nowhere.error_code, 100, "UNKNOWN_TOPIC_ID");
    let strange = produce_request(12, id, 0, batch(&["a"])).with_acks(2);
    let strange = client
        .call(12, &strange)
        .responses
        .remove(0)
        .partition_responses
        .remove(0);
    assert_eq!(strange.error_code, 21, "INVALID_REQUIRED_ACKS");
    let taken = produce(&mut client, 12, id, batch(&["a"]));
    assert_eq!((taken.error_code, taken.base_offset), (0, 0));
}

#[test]
fn a_batch_that_comes_twice_is_appended_once() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    let numbered = |epoch, sequence| {
        let batch = BatchBuilder::new().producer(ProducerId(7), ProducerEpoch(epoch), sequence);
        Bytes::from(batch.record(1000, None, Some(b"a")).build())
    };
    let mut outcome = |epoch, sequence| {
        let produced = produce(&mut client, 12, id, numbered(epoch, sequence));
        (produced.error_code, produced.base_offset)
    };
    assert_eq!(outcome(0, 0), (0, 0));
    assert_eq!(outcome(0, 1), (0, 1));
    assert_eq!(outcome(0, 0), (0, 0), "again");
    assert_eq!(outcome(0, 5), (45, -1), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    assert_eq!(outcome(1, 0), (0, 2));
    assert_eq!(outcome(0, 2), (47, -1), "INVALID_PRODUCER_EPOCH");
}

#[test]
fn requests_that_are_sent_at_once_are_answered_in_order() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    let unanswered = produce_request(12, id, 0, batch(&["first"])).with_acks(0);
    client.send(12, &unanswered);
    let sent: Vec<_> = (0..200)
        .map(|_| client.send(12, &produce_request(12, id, 0, batch(&["a"]))))
        .collect();
    let last = client.send(12, &fetch_request(12, id, &[(0, 0)]));
    for (offset, correlation) in (1..).zip(sent) {
        let response = client.receive::<ProduceRequest>(12, correlation);
        assert_eq!(
            response.responses[0].partition_responses[0].base_offset,
            offset
        );
    }
    let fetched = client.receive::<FetchRequest>(12, last);
    assert!(fetched.responses[0].partitions[0].high_watermark > 0);
}

#[test]
fn a_produce_without_an_answer_that_fails_closes_the_connection() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    client.send(12, &produce_request(12, id, 9, batch(&["a"])).with_acks(0));
    assert_eq!(client.receive_frame(), None);
}

#[test]
fn offsets_are_found_by_place_and_by_time() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    for time in [1000, 3000, 2000] {
        let batch = BatchBuilder::new().record(time, None, Some(b"a"));
        assert_eq!(
            produce(&mut client, 12, id, batch.build().into()).error_code,
            0
        );
    }
    for version in ListOffsetsRequest::VERSIONS.min..=ListOffsetsRequest::VERSIONS.max {
        let mut find = |timestamp| {
            let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
            let topic = ListOffsetsTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![partition]);
            let response = client.call(
                version,
                &ListOffsetsRequest::default().with_topics(vec![topic]),
            );
            let found = &response.topics[0].partitions[0];
            (found.error_code, found.offset, found.timestamp)
        };
        assert_eq!(find(-1), (0, 3, -1), "{version}");
        assert_eq!(find(-2), (0, 0, -1));
        assert_eq!(find(1500), (0, 1, 3000));
        assert_eq!(find(5000), (0, -1, -1), "there is none");
        assert_eq!(find(-3), (0, 1, 3000));
    }
}

#[test]
fn records_are_deleted_from_the_beginning_for_good() {
    use delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    for _ in 0..5 {
        assert_eq!(produce(&mut client, 12, id, batch(&["a"])).error_code, 0);
    }
    let delete = |broker: &Running, version, offset| {
        let partition = DeleteRecordsPartition::default().with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let result = broker
            .client()
            .call(version, &request)
            .topics
            .remove(0)
            .partitions
            .remove(0);
        (result.error_code, result.low_watermark)
    };
    assert_eq!(delete(&broker, 0, 1), (0, 1));
    assert_eq!(delete(&broker, 1, 2), (0, 2));
    assert_eq!(delete(&broker, 2, 9), (1, -1), "OFFSET_OUT_OF_RANGE");
    assert_eq!(
        fetch(&mut client, 12, id, 1).error_code,
        1,
        "OFFSET_OUT_OF_RANGE"
    );
    let broker = broker.restart();
    assert_eq!(fetch(&mut broker.client(), 12, id, 2).log_start_offset, 2);
    assert_eq!(delete(&broker, 2, -1), (0, 5), "all that counts");
}

#[test]
fn the_folder_of_the_log_is_told_and_how_large_partitions_are() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "measured", 2);
    create_topic(&mut client, "other", 1);
    let records = batch(&["a", "b"]);
    let length = i64::try_from(records.len()).expect("a small batch");
    produce(&mut client, 13, id, records);
    let asked = DescribableLogDirTopic::default()
        .with_topic(topic_name("measured"))
        .with_partitions(vec![0, 0, 7]);
    let versions = DescribeLogDirsRequest::VERSIONS;
    for version in versions.min..=versions.max {
        let some = DescribeLogDirsRequest::default().with_topics(Some(vec![asked.clone()]));
        let told = client.call(version, &some);
        let [folder] = told.results.as_slice() else {
            panic!("one folder: {told:?}");
        };
        assert_eq!((told.error_code, folder.error_code), (0, 0));
        let [topic] = folder.topics.as_slice() else {
            panic!("one topic: {folder:?}");
        };
        assert_eq!(topic.name.as_str(), "measured");
        let sizes = topic.partitions.iter();
        let sizes = sizes.map(|it| (it.partition_index, it.partition_size));
        assert_eq!(sizes.collect::<Vec<_>>(), [(0, length)]);
        if version >= 4 {
            assert!(0 < folder.usable_bytes && folder.usable_bytes < folder.total_bytes);
        }
        let all = client.call(
            version,
            &DescribeLogDirsRequest::default().with_topics(None),
        );
        let names = all.results[0].topics.iter().map(|it| it.name.as_str());
        assert!(
            ["measured", "other"]
                .iter()
                .all(|name| names.clone().any(|it| it == *name))
        );
    }
}
