//! Produce while the disk takes its time.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use polity_log::Settings;
use polity_log::batch::BatchBuilder;

use super::*;
use crate::testing::{TestNode, frame};
use crate::wire::frame::Frame;
use crate::wire::header::Prefix;

#[test]
fn what_waits_for_the_disk_holds_nothing_of_its_request() {
    // Nothing is made durable, so it waits for ever.
    let node = TestNode::new(&Settings {
        flush_threads: 0,
        ..Settings::default()
    });
    node.create_topic("orders", 1);
    let batch = BatchBuilder::new().record(1000, None, Some(b"a")).build();
    let there = PartitionProduceData::default().with_records(Some(batch.into()));
    let nowhere = there.clone().with_index(7);
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partition_data(vec![there, nowhere]);
    let request = ProduceRequest::default()
        .with_acks(ALL)
        .with_topic_data(vec![topic]);
    let mut bytes: Bytes = frame(12, &request);
    bytes.advance(4);
    let prefix = Prefix::read(&bytes).expect("a prefix");
    let call = Call::read(Frame {
        prefix,
        bytes: bytes.clone(),
        share: None,
    });
    let call = call.expect("it is a request");
    let answer = handle(&node.node, &call).expect("it is handled");
    drop(call);
    assert!(matches!(answer, Answer::Later(_)));
    assert!(bytes.is_unique(), "a slice of it is kept");
    assert!(answer.weight() > 0);
}
