//! How much transactions may be.
#![allow(clippy::unwrap_used)]

use super::harness::{Harness, at};
use crate::group::TopicPartition;
use crate::transaction::*;

fn small() -> Harness {
    Harness {
        coordinator: Coordinator::new(Settings {
            max_memory: 10_000,
            ..Settings::default()
        }),
        ..Harness::default()
    }
}

#[test]
fn ids_take_no_more_memory_than_they_may() {
    let mut harness = small();
    let mut made = 0;
    let refused = loop {
        let id = format!("{made:0>1000}");
        match harness.init_as(&id, None) {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((made, refused), (7, Error::TooMuchMemory));
    // Those that are there go on.
    harness.init_as(&format!("{:0>1000}", 0), None).unwrap();
}

#[test]
fn partitions_take_no_more_memory_than_they_may_and_give_it_back() {
    let mut harness = small();
    let producer = harness.init().unwrap();
    harness.add(producer, 0).unwrap();
    let many: Vec<_> = (0..1000).map(|it| TopicPartition::new("t", it)).collect();
    let refused = harness.call(|it, outside| it.add_partitions(outside, "id", producer, &many));
    assert_eq!(refused, Err(Error::TooMuchMemory));
    let describe = |harness: &Harness| harness.coordinator.describe("id").unwrap().partitions.len();
    assert_eq!(describe(&harness), 1, "all or none");
    for _ in 0..20 {
        for partition in 0..100 {
            harness.add(producer, partition).unwrap();
        }
        assert_eq!(harness.end(4, producer, true), Ok(producer));
        harness.write_markers();
        harness.coordinator.check_weight();
    }
    assert_eq!(
        harness.coordinator.verify("id", producer, &at(0)),
        Err(Error::TransactionAbortable)
    );
}
