//! Partitions by topic.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::group::record::TopicPartitions;

/// Partitions by topic; no topic without one.
pub(super) type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

pub(super) fn from_parts(parts: &[TopicPartitions]) -> Assignment {
    let mut assignment = Assignment::new();
    for part in parts.iter().filter(|part| !part.partitions.is_empty()) {
        let partitions = assignment.entry(part.topic).or_default();
        partitions.extend(part.partitions.iter().copied());
    }
    assignment
}

pub(super) fn to_parts(assignment: &Assignment) -> Vec<TopicPartitions> {
    let part = |(topic, partitions): (&Uuid, &BTreeSet<i32>)| TopicPartitions {
        topic: *topic,
        partitions: partitions.iter().copied().collect(),
    };
    assignment.iter().map(part).collect()
}

pub(super) fn each(assignment: &Assignment) -> impl Iterator<Item = (Uuid, i32)> {
    assignment
        .iter()
        .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
}

pub(super) fn has(assignment: &Assignment, (topic, partition): (Uuid, i32)) -> bool {
    assignment
        .get(&topic)
        .is_some_and(|partitions| partitions.contains(&partition))
}

pub(super) fn collect(all: impl Iterator<Item = (Uuid, i32)>) -> Assignment {
    let mut assignment = Assignment::new();
    for (topic, partition) in all {
        assignment.entry(topic).or_default().insert(partition);
    }
    assignment
}
