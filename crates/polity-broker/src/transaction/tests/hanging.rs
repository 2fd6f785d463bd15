//! What is open in partitions at a start and of nobody that is known.
#![allow(clippy::unwrap_used)]

use super::harness::{Harness, at};
use crate::journal::ProducerIdentity;
use crate::transaction::*;

fn identity(id: i64, epoch: i16) -> ProducerIdentity {
    ProducerIdentity { id, epoch }
}

fn abort(producer: ProducerIdentity, partitions: &[i32]) -> WriteMarkers {
    WriteMarkers {
        transactional_id: None,
        producer,
        is_commit: false,
        partitions: partitions.iter().copied().map(at).collect(),
    }
}

#[test]
fn what_the_coordinator_knows_of_is_left_to_it() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.add(producer, 0).unwrap();
    let open = [(producer, at(0))];
    assert_eq!(harness.coordinator.abort_hanging(open.clone()), []);
    harness.end(5, producer, true).unwrap();
    assert_eq!(
        harness.coordinator.abort_hanging(open),
        [],
        "its end has an epoch of its own"
    );
}

#[test]
fn what_it_does_not_know_of_is_aborted_by_producer_and_epoch() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.add(producer, 0).unwrap();
    let (stranger, before) = (identity(99, 3), identity(producer.id, producer.epoch - 1));
    let open = [
        (producer, at(0)),
        (producer, at(1)),
        (stranger, at(0)),
        (stranger, at(2)),
        (before, at(0)),
    ];
    assert_eq!(
        harness.coordinator.abort_hanging(open),
        [
            abort(before, &[0]),
            abort(producer, &[1]),
            abort(stranger, &[0, 2])
        ]
    );
}

#[test]
fn a_producer_whose_transaction_hangs_waits_until_it_is_aborted() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    let markers = harness.coordinator.abort_hanging([(producer, at(1))]);
    let wait = Err(Error::ConcurrentTransactions);
    assert_eq!(harness.add(producer, 1), wait);
    let next = harness.init().unwrap();
    assert_eq!(next, identity(producer.id, producer.epoch + 1));
    assert_eq!(
        harness.add(next, 1),
        wait,
        "its markers are of the epoch before"
    );
    harness
        .call(|it, outside| it.markers_written(outside, &markers[0]))
        .unwrap();
    harness.add(next, 1).unwrap();
}
