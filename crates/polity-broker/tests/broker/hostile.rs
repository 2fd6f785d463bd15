//! Bytes that are not Kafka's: that connection is closed, and nothing else is disturbed.

use kafka_protocol::messages::ApiVersionsRequest;

use crate::common::{Running, create_topic};

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
    let claims: &[(usize, [u8; 12])] = &[
        // Two megabytes of Metadata, and a hundred of Produce.
        (150, [0, 0x1f, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1]),
        (50, [6, 0x40, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]),
    ];
    let mut stalled = Vec::new();
    for (count, claim) in claims {
        for _ in 0..*count {
            let mut client = broker.client();
            client.send_bytes(claim);
            client.send_bytes(&[0; 500]);
            stalled.push(client);
        }
    }
    let mut bystander = broker.client();
    for _ in 0..100 {
        assert_eq!(
            bystander.call(0, &ApiVersionsRequest::default()).error_code,
            0
        );
    }
    // And what is small is produced.
    let id = create_topic(&mut bystander, "t", 1);
    assert!(!id.is_nil());
}
