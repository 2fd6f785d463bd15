//! Settings that several change at once.

use std::thread;

use polity_log::Settings;

use super::*;
use crate::testing::TestNode;

/// Adds one to what was before, and lets others have the processor in between.
fn add_one(_: &Node, before: &TopicConfig) -> Result<TopicConfig, Failure> {
    thread::yield_now();
    Ok(TopicConfig {
        retention_ms: before.retention_ms.map(|time| time + 1),
        ..before.clone()
    })
}

#[tokio::test]
async fn each_change_is_of_what_the_one_before_it_has_left() {
    let test = TestNode::new(&Settings::default());
    let topic = test.create_topic("t", 1);
    let before = topic.config().retention_ms.expect("it is bounded");
    let changes = 200;
    let all: Vec<_> = (0..changes)
        .map(|_| {
            let node = test.node.clone();
            tokio::spawn(async move {
                let resource = (resource::TOPIC, StrBytes::from_static_str("t"));
                alter(&node, &BTreeSet::new(), resource, false, add_one).await
            })
        })
        .collect();
    for one in all {
        let altered = one.await.expect("it ends");
        altered.expect("it is changed");
    }
    assert_eq!(topic.config().retention_ms, Some(before + changes));
}
