//! DescribeLogDirs: where the log is, and how large each partition is in it.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use kafka_protocol::protocol::StrBytes;
use rustix::fs::statvfs;

use crate::api;
use crate::node::{Node, Partition, Topic};
use crate::topics;

/// Space that nothing could be found out about.
const UNKNOWN: i64 = -1;

pub(crate) fn handle(node: &Node, request: &DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let (total, usable) = space(node);
    let directory = node.config.data.display().to_string();
    let result = DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_string(directory))
        .with_total_bytes(total)
        .with_usable_bytes(usable)
        .with_topics(topics(node, request));
    DescribeLogDirsResponse::default().with_results(vec![result])
}

/// The file system's size, and what of it is free.
fn space(node: &Node) -> (i64, i64) {
    let Ok(found) = statvfs(&node.config.data) else {
        return (UNKNOWN, UNKNOWN);
    };
    let bytes = |blocks: u64| {
        let bytes = blocks.saturating_mul(found.f_frsize);
        i64::try_from(bytes).unwrap_or(i64::MAX)
    };
    (bytes(found.f_blocks), bytes(found.f_bavail))
}

/// What is asked for, or else all there is. What is not there is left out, as Kafka does.
fn topics(node: &Node, request: &DescribeLogDirsRequest) -> Vec<DescribeLogDirsTopic> {
    let Some(asked) = &request.topics else {
        let all = node.log.topics();
        return all
            .values()
            .map(|topic| describe(topic, |_| true))
            .collect();
    };
    // Once, however often it is asked for: an answer must not grow far beyond its request.
    let mut partitions: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for topic in asked {
        let named = partitions.entry(topic.topic.as_str()).or_default();
        named.extend(&topic.partitions);
    }
    let topics = partitions.into_iter().filter_map(|(name, partitions)| {
        let topic = node.log.topic(name)?;
        Some(describe(&topic, |index| partitions.contains(&index)))
    });
    topics.collect()
}

fn describe(topic: &Topic, is_asked: impl Fn(i32) -> bool) -> DescribeLogDirsTopic {
    let size = |partition: &Partition| i64::try_from(partition.size()).unwrap_or(i64::MAX);
    let partitions = topic.partitions().iter().filter_map(|partition| {
        let index = api::number(partition.index());
        is_asked(index).then(|| {
            DescribeLogDirsPartition::default()
                .with_partition_index(index)
                .with_partition_size(size(partition))
        })
    });
    DescribeLogDirsTopic::default()
        .with_name(topics::on_wire(topic.name()))
        .with_partitions(partitions.collect())
}
