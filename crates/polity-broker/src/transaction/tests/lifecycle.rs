//! A transaction's way from its beginning to its end.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::harness::*;
use crate::journal::{AppendError, ProducerIdentity};
use crate::transaction::*;

const OLD: i16 = 4;

#[test]
fn a_transaction_is_committed_where_it_was_written() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    assert_eq!(producer, ProducerIdentity { id: 0, epoch: 0 });
    harness.add(producer, 1).unwrap();
    harness.add(producer, 0).unwrap();
    let records = harness.journal.written.len();
    harness.add(producer, 1).unwrap();
    assert_eq!(
        harness.journal.written.len(),
        records,
        "nothing new to write down"
    );
    assert_eq!(harness.coordinator.verify("id", producer, &at(0)), Ok(()));
    assert_eq!(
        harness.coordinator.verify("id", producer, &at(9)),
        Err(Error::TransactionAbortable)
    );
    assert_eq!(harness.end(OLD, producer, true), Ok(producer));
    assert_eq!(harness.state(), State::PrepareCommit);
    let expected = WriteMarkers {
        transactional_id: Some("id".into()),
        producer,
        is_commit: true,
        partitions: vec![at(0), at(1)],
    };
    assert_eq!(harness.write_markers(), [expected]);
    assert_eq!(harness.state(), State::CompleteCommit);
    harness.add(producer, 5).unwrap();
    assert_eq!(harness.end(OLD, producer, false), Ok(producer));
    assert_eq!(harness.write_markers()[0].partitions, [at(5)]);
    assert_eq!(harness.state(), State::CompleteAbort);
}

#[test]
fn while_markers_are_written_everyone_waits() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.add(producer, 0).unwrap();
    harness.end(OLD, producer, true).unwrap();
    assert_eq!(harness.add(producer, 1), Err(Error::ConcurrentTransactions));
    assert_eq!(
        harness.end(OLD, producer, true),
        Err(Error::ConcurrentTransactions)
    );
    assert_eq!(
        harness.end(OLD, producer, false),
        Err(Error::InvalidTxnState)
    );
    assert_eq!(harness.init(), Err(Error::ConcurrentTransactions));
    let late = harness.coordinator.verify("id", producer, &at(0));
    assert_eq!(late, Err(Error::ConcurrentTransactions));
    harness.write_markers();
    // A repeated request, and a change of mind.
    assert_eq!(harness.end(OLD, producer, true), Ok(producer));
    assert_eq!(
        harness.end(OLD, producer, false),
        Err(Error::InvalidTxnState)
    );
}

#[test]
fn markers_that_a_crash_kept_from_being_written_are_written_after_it() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.add(producer, 0).unwrap();
    harness.end(OLD, producer, true).unwrap();
    harness.restart();
    assert_eq!(harness.write_markers()[0].partitions, [at(0)]);
    harness.restart();
    assert_eq!(
        (harness.state(), harness.markers.len()),
        (State::CompleteCommit, 0)
    );
}

#[test]
fn an_end_that_could_not_be_written_down_has_not_come() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.add(producer, 0).unwrap();
    harness.journal.failure = Some(AppendError::Unavailable);
    assert_eq!(
        harness.add(producer, 1),
        Err(Error::CoordinatorNotAvailable)
    );
    assert_eq!(
        harness.end(OLD, producer, true),
        Err(Error::CoordinatorNotAvailable)
    );
    assert_eq!(
        (harness.state(), harness.markers.len()),
        (State::Ongoing, 0)
    );
    harness.journal.failure = None;
    harness.end(OLD, producer, true).unwrap();
    assert_eq!(harness.markers[0].partitions, [at(0)]);
    // Markers are written, but that they are cannot be.
    harness.journal.failure = Some(AppendError::Unavailable);
    let markers = harness.markers[0].clone();
    let result = harness.call(|it, outside| it.markers_written(outside, &markers));
    assert_eq!(
        (result, harness.state()),
        (Err(Error::CoordinatorNotAvailable), State::PrepareCommit)
    );
    harness.journal.failure = None;
    harness.write_markers();
    assert_eq!(harness.state(), State::CompleteCommit);
}

#[test]
fn markers_of_another_end_change_nothing() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.add(producer, 0).unwrap();
    harness.end(OLD, producer, true).unwrap();
    let old = harness.write_markers().remove(0);
    harness.add(producer, 0).unwrap();
    harness
        .call(|it, outside| it.markers_written(outside, &old))
        .unwrap();
    assert_eq!(harness.state(), State::Ongoing);
    harness.end(OLD, producer, false).unwrap();
    harness
        .call(|it, outside| it.markers_written(outside, &old))
        .unwrap();
    assert_eq!(harness.state(), State::PrepareAbort);
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.advance(Duration::from_secs(100));
    harness.add(producer, 0).unwrap();
    harness.advance(Duration::from_secs(59));
    harness.add(producer, 1).unwrap();
    // The time before a restart counts.
    harness.restart();
    assert_eq!(harness.state(), State::Ongoing);
    harness.advance(Duration::from_secs(1));
    assert_eq!(harness.state(), State::PrepareAbort);
    assert_eq!(harness.add(producer, 1), Err(Error::ProducerFenced));
    let markers = harness.write_markers().remove(0);
    assert_eq!((markers.is_commit, markers.producer.epoch), (false, 1));
    assert_eq!(harness.end(OLD, producer, true), Err(Error::ProducerFenced));
    assert_eq!(harness.init().unwrap().epoch, 2);
}

#[test]
fn a_clock_that_is_set_does_not_end_a_transaction() {
    for by_ms in [3_600_000, -3_600_000] {
        let mut harness = Harness::default();
        let producer = harness.init().unwrap();
        harness.add(producer, 0).unwrap();
        harness.now.unix_ms += by_ms;
        harness.advance(Duration::from_secs(59));
        harness.add(producer, 1).unwrap();
        assert_eq!(harness.state(), State::Ongoing);
        harness.advance(Duration::from_secs(1));
        assert_eq!(harness.state(), State::PrepareAbort);
    }
}

#[test]
fn a_timeout_that_could_not_be_written_down_is_tried_again() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.add(producer, 0).unwrap();
    harness.journal.failure = Some(AppendError::Unavailable);
    harness.advance(Duration::from_secs(70));
    assert_eq!(harness.state(), State::Ongoing);
    harness.journal.failure = None;
    harness.advance(Duration::from_secs(2));
    assert_eq!(harness.state(), State::PrepareAbort);
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let mut harness = Harness::default();
    for (timeout_ms, error) in [
        (0, Error::InvalidTransactionTimeout),
        (-1, Error::InvalidTransactionTimeout),
        (900_001, Error::InvalidTransactionTimeout),
    ] {
        let request = InitProducerId {
            transactional_id: "id".into(),
            timeout_ms,
            current: None,
        };
        let result = harness.call(|it, outside| it.init_producer(outside, &request));
        assert_eq!(result, Err(error));
    }
    assert_eq!(harness.init_as("", None), Err(Error::InvalidRequest));
    let stranger = ProducerIdentity { id: 9, epoch: 0 };
    assert_eq!(
        harness.add(stranger, 0),
        Err(Error::InvalidProducerIdMapping)
    );
    let producer = harness.init().unwrap();
    assert_eq!(
        harness.add(stranger, 0),
        Err(Error::InvalidProducerIdMapping)
    );
    assert_eq!(
        harness.end(OLD, producer, true),
        Err(Error::InvalidTxnState)
    );
    assert_eq!(harness.end(5, producer, true), Err(Error::InvalidTxnState));
    let ahead = ProducerIdentity {
        epoch: 1,
        ..producer
    };
    assert_eq!(harness.add(ahead, 0), Err(Error::ProducerFenced));
    assert_eq!(harness.end(5, ahead, false), Err(Error::ProducerFenced));
}

#[test]
fn an_id_that_nobody_uses_is_forgotten_after_seven_days() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.advance(Duration::from_secs(6 * 86_400));
    harness.add(producer, 0).unwrap();
    harness.end(OLD, producer, true).unwrap();
    harness.advance(Duration::from_secs(8 * 86_400));
    let sweep = |harness: &mut Harness| harness.call(|it, outside| it.sweep(outside)).unwrap();
    sweep(&mut harness);
    assert_eq!(harness.state(), State::PrepareCommit, "it is not over yet");
    harness.write_markers();
    harness.advance(Duration::from_secs(7 * 86_400 - 1));
    sweep(&mut harness);
    assert_eq!(harness.state(), State::CompleteCommit);
    harness.advance(Duration::from_secs(1));
    sweep(&mut harness);
    assert!(harness.coordinator.describe("id").is_none());
    harness.restart();
    assert!(harness.coordinator.describe("id").is_none());
    assert_eq!(
        harness.add(producer, 0),
        Err(Error::InvalidProducerIdMapping)
    );
}

#[test]
fn transactions_are_listed_as_asked() {
    let mut harness = Harness::default();
    let producer = harness.init().unwrap();
    harness.init_as("other", None).unwrap();
    harness.add(producer, 0).unwrap();
    harness.advance(Duration::from_secs(10));
    let list = |filter: Filter| harness.coordinator.list(&filter, harness.now).len();
    assert_eq!(list(Filter::default()), 2);
    assert_eq!(
        list(Filter {
            states: vec![State::Ongoing],
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        list(Filter {
            producer_ids: vec![1, 7],
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        list(Filter {
            longer_than_ms: Some(9_000),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        list(Filter {
            longer_than_ms: Some(10_000),
            ..Filter::default()
        }),
        0
    );
}

#[test]
fn no_producer_id_is_given_twice() {
    let mut harness = Harness::default();
    let mut ids = Vec::new();
    for round in 0..3 {
        for _ in 0..700 {
            ids.push(
                harness
                    .call(|it, outside| it.new_producer(outside))
                    .unwrap()
                    .id,
            );
        }
        harness.blocks.fails = round == 1;
        harness.restart();
        if harness.blocks.fails {
            let none = harness.call(|it, outside| it.new_producer(outside));
            assert_eq!(none, Err(Error::CoordinatorNotAvailable));
            harness.blocks.fails = false;
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
