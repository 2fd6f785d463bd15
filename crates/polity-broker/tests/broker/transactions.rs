//! Transactions by the protocol alone: what no client of other people would do or could see.

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, InitProducerIdResponse,
    ListOffsetsRequest, ListTransactionsRequest, ProduceRequest, TransactionalId,
};
use polity_log::batch::BatchBuilder;
use polity_log::{ProducerEpoch, ProducerId};

use crate::common::{Client, Running, create_topic, text, topic_name};

const PATIENCE: Duration = Duration::from_secs(20);

fn transactional_id() -> TransactionalId {
    TransactionalId(text("id"))
}

fn init(client: &mut Client) -> InitProducerIdResponse {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(transactional_id()))
        .with_transaction_timeout_ms(60_000);
    let made = client.call(4, &request);
    assert_eq!(made.error_code, 0);
    made
}

fn add(client: &mut Client, producer: &InitProducerIdResponse) -> i16 {
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id())
        .with_v3_and_below_producer_id(producer.producer_id)
        .with_v3_and_below_producer_epoch(producer.producer_epoch)
        .with_v3_and_below_topics(vec![topic]);
    let added = client.call(3, &request);
    added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
}

/// One record of the transaction.
fn record(producer: &InitProducerIdResponse, sequence: i32) -> Bytes {
    let (id, epoch) = (
        ProducerId(producer.producer_id.0),
        ProducerEpoch(producer.producer_epoch),
    );
    let batch = BatchBuilder::new()
        .producer(id, epoch, sequence)
        .transactional();
    batch.record(1000, None, Some(b"value")).build().into()
}

fn produce(client: &mut Client, records: Bytes) -> i16 {
    let data = PartitionProduceData::default().with_records(Some(records));
    let topic = TopicProduceData::default()
        .with_name(topic_name("t"))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(Some(transactional_id()))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic]);
    client.call(11, &request).responses[0].partition_responses[0].error_code
}

/// The end, for who reads only what is committed or for everybody.
fn end(client: &mut Client, is_committed: bool) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_isolation_level(i8::from(is_committed))
        .with_topics(vec![topic]);
    client.call(4, &request).topics[0].partitions[0].offset
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_transaction_that_no_coordinator_knows_of_is_aborted_at_the_start() {
    let broker = Running::start();
    let mut client = broker.client();
    create_topic(&mut client, "t", 1);
    let producer = init(&mut client);
    assert_eq!(add(&mut client, &producer), 0);
    assert_eq!(produce(&mut client, record(&producer, 0)), 0);
    assert_eq!((end(&mut client, true), end(&mut client, false)), (0, 1));
    drop(client);

    let broker = broker.restart_after(|data| {
        fs::remove_file(data.join("__transaction_state.topic")).expect("it is there");
        fs::remove_dir_all(data.join("__transaction_state-0")).expect("it is there");
    });
    let mut client = broker.client();
    until("all before the end is stable", || {
        end(&mut client, true) == 2
    });
    assert_eq!(end(&mut client, false), 2, "with the marker");
    // Its producer is nobody's any more, and whoever has the id now goes on.
    assert_eq!(
        add(&mut client, &producer),
        49,
        "INVALID_PRODUCER_ID_MAPPING"
    );
    let producer = init(&mut client);
    assert_eq!(add(&mut client, &producer), 0);
    assert_eq!(produce(&mut client, record(&producer, 0)), 0);
    assert_eq!((end(&mut client, true), end(&mut client, false)), (2, 3));
    drop(client);

    // What it does know of is left to it.
    let broker = broker.restart();
    let mut client = broker.client();
    assert_eq!(produce(&mut client, record(&producer, 1)), 0);
    assert_eq!((end(&mut client, true), end(&mut client, false)), (2, 4));
}

/// The transactional ids that match.
fn listed(client: &mut Client, pattern: Option<&str>) -> Result<Vec<String>, i16> {
    let request = ListTransactionsRequest::default()
        .with_duration_filter(-1)
        .with_transactional_id_pattern(pattern.map(text));
    let listed = client.call(2, &request);
    let ids = listed.transaction_states.iter();
    let ids = ids.map(|it| it.transactional_id.to_string()).collect();
    match listed.error_code {
        0 => Ok(ids),
        code => Err(code),
    }
}

#[test]
fn transactions_are_listed_by_a_pattern_of_their_ids() {
    let broker = Running::start();
    let mut client = broker.client();
    for id in ["orders-1", "orders-2", "payments"] {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text(id))))
            .with_transaction_timeout_ms(60_000);
        assert_eq!(client.call(4, &request).error_code, 0);
    }
    let all = ["orders-1", "orders-2", "payments"];
    for (pattern, expected) in [
        (None, &all[..]),
        (Some(""), &all),
        (Some("orders-.*"), &all[..2]),
        (Some("orders"), &[]),
    ] {
        let found = listed(&mut client, pattern).expect("it is one");
        assert_eq!(found, expected, "{pattern:?}");
    }
    assert_eq!(
        listed(&mut client, Some("(")),
        Err(128),
        "INVALID_REGULAR_EXPRESSION"
    );
}

#[test]
fn the_next_transaction_begins_as_soon_as_the_end_of_the_last_is_answered() {
    let broker = Running::start();
    let mut client = broker.client();
    create_topic(&mut client, "t", 1);
    let producer = init(&mut client);
    for number in 0..50 {
        assert_eq!(
            add(&mut client, &producer),
            0,
            "not CONCURRENT_TRANSACTIONS"
        );
        assert_eq!(produce(&mut client, record(&producer, number)), 0);
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id())
            .with_producer_id(producer.producer_id)
            .with_producer_epoch(producer.producer_epoch)
            .with_committed(true);
        assert_eq!(client.call(4, &request).error_code, 0);
        let stable = i64::from(number + 1) * 2;
        assert_eq!(end(&mut client, true), stable, "it is read, too");
    }
}
