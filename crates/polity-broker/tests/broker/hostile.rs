//! Bytes that are not Kafka's: that connection is closed, and nothing else is disturbed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use kafka_protocol::messages::*;

use crate::common::{Running, create_topic, text, topic_name};
use crate::records::{batch, fetch, produce, produce_request};

#[test]
fn what_is_not_a_request_closes_its_connection_alone() {
    let broker = Running::start();
    let mut bystander = broker.client();
    let cases: &[(&str, &[u8])] = &[
        (
            "a negative length",
            &[0xff, 0xff, 0xff, 0xff, 0, 18, 0, 0, 0, 0, 0, 1],
        ),
        (
            "a length below a header's",
            &[0, 0, 0, 4, 0, 18, 0, 0, 0, 0, 0, 1],
        ),
        (
            "two gigabytes",
            &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 3, 0, 0, 0, 1],
        ),
        (
            "a large request that is no Produce",
            &[0, 0x40, 0, 0, 0, 18, 0, 0, 0, 0, 0, 1],
        ),
        (
            "an unknown API",
            &[0, 0, 0, 10, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        ),
        (
            "an API that is not served",
            &[0, 0, 0, 10, 0, 4, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        ),
        (
            "a client id that is longer than all",
            &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff],
        ),
        (
            "a client id of a negative length",
            &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0x80, 0],
        ),
        (
            "two thousand million topics",
            &[
                0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff,
            ],
        ),
        (
            "as many topics, compact",
            &[
                0, 0, 0, 17, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0,
            ],
        ),
        (
            "a count below none",
            &[
                0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x80, 0, 0, 0,
            ],
        ),
        (
            "a number of eleven bytes",
            &[
                0, 0, 0, 23, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0, 0x80, 0x80, 0x80, 0x80, 0x80,
                0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0,
            ],
        ),
        (
            "a Produce of many partitions in one of its topics, none of them there",
            &[
                0, 0, 0, 29, 0, 0, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 0, 0,
                0, 0, 1, 0, 1, b't', 0x7f, 0xff, 0xff, 0xff,
            ],
        ),
        (
            "tagged fields without number in a header",
            &[
                0, 0, 0, 15, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f,
            ],
        ),
        ("HTTP", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ];
    for (what, bytes) in cases {
        let mut client = broker.client();
        client.send_bytes(bytes);
        assert_eq!(client.receive_frame(), None, "{what}");
        let answer = bystander.call(0, &ApiVersionsRequest::default());
        assert_eq!(answer.error_code, 0, "after {what}");
    }
}

#[test]
fn what_was_asked_before_nonsense_is_answered() {
    let broker = Running::start();
    let mut client = broker.client();
    let request = ApiVersionsRequest::default();
    let sent = [client.send(0, &request), client.send(1, &request)];
    client.send_bytes(&[0xff; 12]);
    assert_eq!(
        client.receive::<ApiVersionsRequest>(0, sent[0]).error_code,
        0
    );
    assert_eq!(
        client.receive::<ApiVersionsRequest>(1, sent[1]).error_code,
        0
    );
    assert_eq!(client.receive_frame(), None);
}

#[test]
fn half_a_request_is_waited_for() {
    let broker = Running::start();
    let mut client = broker.client();
    let frame = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    for byte in frame {
        client.send_bytes(&[byte]);
    }
    assert!(client.receive_frame().is_some());
}

#[test]
fn many_that_stall_within_their_requests_hold_up_nobody() {
    let broker = Running::start();
    let claims: &[[u8; 12]] = &[
        // Two megabytes of Metadata and of Produce, and a hundred of Produce.
        [0, 0x1f, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1],
        [0, 0x1f, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1],
        [6, 0x40, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1],
    ];
    let mut stalled = Vec::new();
    for claim in claims {
        for _ in 0..150 {
            let mut client = broker.client();
            client.send_bytes(claim);
            client.send_bytes(&[0; 500]);
            stalled.push(client);
        }
    }
    let mut bystander = broker.client();
    let id = create_topic(&mut bystander, "t", 1);
    // Small ones, and some that need memory as well.
    for size in [10, 100_000, 900_000] {
        let value = "x".repeat(size);
        for _ in 0..20 {
            assert_eq!(
                produce(&mut bystander, 12, id, batch(&[&value])).error_code,
                0
            );
        }
    }
}

#[test]
fn clients_that_come_and_go_leave_nothing_behind() {
    let broker = Running::start();
    let mut bystander = broker.client();
    for round in 0..3000 {
        let mut client = broker.client();
        match round % 3 {
            0 => {}
            1 => client.send_bytes(&[0, 0x1f, 0, 0, 0]),
            _ => {
                client.send(0, &ApiVersionsRequest::default());
            }
        }
        if round % 100 == 0 {
            let answer = bystander.call(0, &ApiVersionsRequest::default());
            assert_eq!(answer.error_code, 0);
        }
    }
}

#[test]
fn one_that_asks_ten_thousand_times_and_never_reads_holds_up_nobody() {
    let broker = Running::start();
    let mut bystander = broker.client();
    for topic in 0..20 {
        create_topic(&mut bystander, &format!("t{topic}"), 50);
    }
    let mut deaf = broker.client();
    deaf.stream.set_nonblocking(true).expect("it can be");
    for _ in 0..10_000 {
        // What does not fit is not sent: the broker takes no more either.
        deaf.send(1, &MetadataRequest::default().with_topics(None));
    }
    for _ in 0..100 {
        let answer = bystander.call(1, &MetadataRequest::default().with_topics(None));
        assert!(answer.topics.len() >= 20);
    }
}

#[test]
fn what_is_compressed_is_kept_as_it_came_and_never_opened() {
    let broker = Running::start();
    let mut client = broker.client();
    let id = create_topic(&mut client, "t", 1);
    // It says it is gzip, zstd and so on, and whatever that gives.
    for compression in 1..=4 {
        let mut bomb = batch(&[&"x".repeat(1000)]).to_vec();
        bomb[22] = compression;
        let checksum = crc32c::crc32c(&bomb[21..]);
        bomb[17..21].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(produce(&mut client, 12, id, bomb.into()).error_code, 0);
    }
    let mut unknown = batch(&["a"]).to_vec();
    unknown[22] = 7;
    let checksum = crc32c::crc32c(&unknown[21..]);
    unknown[17..21].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(produce(&mut client, 12, id, unknown.into()).error_code, 87);
    assert_eq!(fetch(&mut client, 12, id, 0).high_watermark, 4);
}

#[test]
fn a_bomb_for_a_compacted_topic_is_refused_and_nobody_waits_for_it() {
    use create_topics_request::{CreatableTopic, CreatableTopicConfig};
    let broker = Running::start();
    let mut client = broker.client();
    let config = CreatableTopicConfig::default()
        .with_name(text("cleanup.policy"))
        .with_value(Some(text("compact")));
    let topic = CreatableTopic::default()
        .with_name(topic_name("t"))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(vec![config]);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    let id = client.call(7, &request).topics[0].topic_id;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    // One record of a length that is true, and a key that is nothing but zeros.
    gzip.write_all(&[0x80, 0x80, 0x80, 0x80, 1])
        .expect("it is written");
    for _ in 0..66 {
        gzip.write_all(&vec![0; 1 << 20]).expect("it is written");
    }
    let mut bomb = batch(&["a"])[..61].to_vec();
    bomb.extend(gzip.finish().expect("it is written"));
    let length = (bomb.len() - 12) as i32;
    bomb[8..12].copy_from_slice(&length.to_be_bytes());
    bomb[22] = 1;
    let checksum = crc32c::crc32c(&bomb[21..]);
    bomb[17..21].copy_from_slice(&checksum.to_be_bytes());
    let correlation = client.send(12, &produce_request(12, id, 0, bomb.into()));
    let mut bystander = broker.client();
    let other = create_topic(&mut bystander, "other", 1);
    assert!(!other.is_nil());
    let response = client.receive::<ProduceRequest>(12, correlation);
    let refused = &response.responses[0].partition_responses[0];
    assert_eq!(refused.error_code, 87, "INVALID_RECORD");
}
