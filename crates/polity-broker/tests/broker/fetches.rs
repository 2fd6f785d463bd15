//! Fetches: that wait, have limits, and belong to a session.

use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::*;

use crate::common::{Running, create_topic, topic_name};
use crate::records::{batch, fetch_request, produce, produce_request};

#[test]
fn a_fetch_waits_for_records_and_nobody_else_does() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 2);
    let (answered, answer) = mpsc::channel();
    let mut waiting = broker.client();
    let waiter = thread::spawn(move || {
        let request = fetch_request(12, id, &[(0, 0), (1, 0)]).with_max_wait_ms(60_000);
        let response = waiting.call(12, &request);
        answered.send(()).expect("somebody listens");
        response
    });
    // Records that are too few do not end a wait, and others are served meanwhile.
    let mut patient = broker.client();
    let many = fetch_request(12, id, &[(0, 0)])
        .with_max_wait_ms(60_000)
        .with_min_bytes(10_000);
    let correlation = patient.send(12, &many);
    assert!(answer.try_recv().is_err());
    let request = produce_request(12, id, 1, batch(&["there"]));
    assert_eq!(
        client.call(12, &request).responses[0].partition_responses[0].error_code,
        0
    );
    let response = waiter.join().expect("an answer");
    let partitions = &response.responses[0].partitions;
    assert_eq!(
        partitions
            .iter()
            .map(|it| it.high_watermark)
            .collect::<Vec<_>>(),
        [0, 1]
    );
    let large = "x".repeat(10_000);
    assert_eq!(
        produce(&mut client, 12, id, batch(&["small"])).error_code,
        0
    );
    assert_eq!(produce(&mut client, 12, id, batch(&[&large])).error_code, 0);
    let fetched = patient.receive::<FetchRequest>(12, correlation);
    let records = fetched.responses[0].partitions[0]
        .records
        .as_ref()
        .expect("records");
    assert!(records.len() > 10_000);
}

#[test]
fn a_fetch_that_waits_is_answered_when_the_broker_stops() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    let request = fetch_request(12, id, &[(0, 0)]).with_max_wait_ms(60_000);
    let correlation = client.send(12, &request);
    // Another connection's answer shows that nothing waits for the first one's.
    assert_eq!(
        broker
            .client()
            .call(0, &ApiVersionsRequest::default())
            .error_code,
        0
    );
    drop(broker);
    if let Some(mut frame) = client.receive_frame() {
        assert_eq!(frame.split_to(4)[..], correlation.to_be_bytes());
    }
}

#[test]
fn limits_give_whole_batches_and_the_first_in_any_case() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 2);
    let value = "x".repeat(1000);
    let one = batch(&[&value]);
    for partition in [0, 0, 0, 1] {
        let request = produce_request(12, id, partition, one.clone());
        assert_eq!(
            client.call(12, &request).responses[0].partition_responses[0].error_code,
            0
        );
    }
    let mut lengths = |request: &FetchRequest| -> Vec<usize> {
        let response = client.call(12, request);
        let partitions = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions);
        partitions
            .map(|it| it.records.as_ref().map_or(0, Bytes::len) / one.len())
            .collect()
    };
    let request = fetch_request(12, id, &[(0, 0), (1, 0)]);
    assert_eq!(lengths(&request.clone().with_max_bytes(1)), [1, 0]);
    assert_eq!(
        lengths(&request.clone().with_max_bytes(one.len() as i32 * 2 + 10)),
        [2, 0]
    );
    assert_eq!(lengths(&request), [3, 1]);
}

#[test]
fn a_session_is_told_only_what_has_changed() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 3);
    let mut end = 0;
    for version in [7, 12, 17] {
        let mut ask = |request: FetchRequest| {
            let response = client.call(version, &request);
            assert_eq!(response.error_code, 0, "{version}");
            let partitions = response
                .responses
                .iter()
                .flat_map(|topic| &topic.partitions);
            let told: Vec<_> = partitions
                .map(|it| (it.partition_index, it.high_watermark))
                .collect();
            (response.session_id, told)
        };
        let begin = fetch_request(version, id, &[(0, 0), (1, end), (2, 0)]).with_session_epoch(0);
        let (session, told) = ask(begin);
        assert_eq!(told.len(), 3);
        let next = |epoch| {
            FetchRequest::default()
                .with_session_id(session)
                .with_session_epoch(epoch)
        };
        assert_eq!(ask(next(1)).1, []);
        let request = produce_request(12, id, 1, batch(&["a"]));
        let produced = broker
            .client()
            .call(12, &request)
            .responses
            .remove(0)
            .partition_responses
            .remove(0);
        end = produced.base_offset + 1;
        assert_eq!(ask(next(2)).1, [(1, end)]);
        let read = fetch_request(version, id, &[(1, end)])
            .with_session_id(session)
            .with_session_epoch(3);
        assert_eq!(ask(read).1, []);
        let forgotten = ForgottenTopic::default().with_partitions(vec![1]);
        let forgotten = if version >= 13 {
            forgotten.with_topic_id(id)
        } else {
            forgotten.with_topic(topic_name("t"))
        };
        assert_eq!(
            ask(next(4).with_forgotten_topics_data(vec![forgotten])).1,
            []
        );
        assert_eq!(
            broker.client().call(12, &request).responses[0].partition_responses[0].error_code,
            0
        );
        assert_eq!(ask(next(5)).1, []);
        end += 1;
        let wrong = client.call(version, &next(9));
        assert_eq!(wrong.error_code, 71, "INVALID_FETCH_SESSION_EPOCH");
        let gone = client.call(
            version,
            &FetchRequest::default()
                .with_session_id(1)
                .with_session_epoch(1),
        );
        assert_eq!(gone.error_code, 70, "FETCH_SESSION_ID_NOT_FOUND");
    }
}
