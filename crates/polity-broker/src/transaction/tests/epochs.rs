//! Who is right of several producers with one transactional id.
#![allow(clippy::unwrap_used)]

use super::harness::*;
use crate::journal::{Journal, ProducerIdentity};
use crate::transaction::*;

const OLD: i16 = 4;
const NEW: i16 = 5;

fn next(producer: ProducerIdentity) -> ProducerIdentity {
    ProducerIdentity {
        epoch: producer.epoch + 1,
        ..producer
    }
}

/// The id as it is with that epoch, as if it had been used that often.
fn with_epoch(epoch: i16) -> (Harness, ProducerIdentity) {
    let mut harness = Harness::default();
    let producer = ProducerIdentity {
        epoch,
        ..harness.init().unwrap()
    };
    let mut metadata = harness.coordinator.describe("id").unwrap().clone();
    metadata.producer = producer;
    let entry = record::encode("id", Some(&metadata));
    harness
        .journal
        .append(crate::journal::Batch::plain(vec![entry]))
        .unwrap();
    harness.restart();
    (harness, producer)
}

#[test]
fn a_new_producer_fences_the_one_before() {
    let mut harness = Harness::default();
    let old = harness.init().unwrap();
    let new = harness.init().unwrap();
    assert_eq!(new, next(old));
    assert_eq!(harness.add(old, 0), Err(Error::ProducerFenced));
    assert_eq!(harness.end(OLD, old, true), Err(Error::ProducerFenced));
    assert_eq!(harness.init_as("id", Some(old)), Err(Error::ProducerFenced));
    assert_eq!(harness.add(new, 0), Ok(()));
}

#[test]
fn a_new_producer_first_aborts_what_the_one_before_has_begun() {
    let mut harness = Harness::default();
    let old = harness.init().unwrap();
    harness.add(old, 3).unwrap();
    assert_eq!(harness.init(), Err(Error::ConcurrentTransactions));
    assert_eq!(harness.end(OLD, old, true), Err(Error::ProducerFenced));
    let markers = harness.write_markers().remove(0);
    assert_eq!((markers.producer, markers.is_commit), (next(old), false));
    assert_eq!(harness.init(), Ok(next(next(old))));
}

#[test]
fn a_producer_may_go_on_with_a_new_epoch_and_ask_twice() {
    let mut harness = Harness::default();
    let first = harness.init().unwrap();
    let second = harness.init_as("id", Some(first)).unwrap();
    assert_eq!(second, next(first));
    assert_eq!(
        harness.init_as("id", Some(first)),
        Ok(second),
        "the answer was lost"
    );
    let third = harness.init_as("id", Some(second)).unwrap();
    assert_eq!(
        harness.init_as("id", Some(first)),
        Err(Error::ProducerFenced)
    );
    assert_eq!(third, next(second));
}

#[test]
fn a_fenced_producer_cannot_abort_what_its_successor_has_begun() {
    let mut harness = Harness::default();
    let old = harness.init().unwrap();
    let new = harness.init().unwrap();
    harness.add(new, 0).unwrap();
    assert_eq!(harness.init_as("id", Some(old)), Err(Error::ProducerFenced));
    assert_eq!(harness.state(), State::Ongoing);
}

#[test]
fn used_up_epochs_bring_another_producer_id() {
    let (mut harness, producer) = with_epoch(i16::MAX - 1);
    let new = harness.init_as("id", Some(producer)).unwrap();
    assert_eq!(new.epoch, 0);
    assert_ne!(new.id, producer.id);
    assert_eq!(
        harness.init_as("id", Some(producer)),
        Ok(new),
        "the answer was lost"
    );
    assert_eq!(
        harness.add(producer, 0),
        Err(Error::InvalidProducerIdMapping)
    );
}

#[test]
fn the_last_epoch_is_for_fencing_only() {
    let (mut harness, producer) = with_epoch(i16::MAX - 1);
    harness.add(producer, 0).unwrap();
    assert_eq!(
        harness.init_as("id", Some(producer)),
        Err(Error::ConcurrentTransactions)
    );
    assert_eq!(harness.write_markers()[0].producer.epoch, i16::MAX);
    let new = harness.init_as("id", Some(producer)).unwrap();
    assert_eq!((new.epoch, new.id == producer.id), (0, false));
    assert_eq!(harness.init_as("id", Some(producer)), Ok(new));
}

#[test]
fn each_end_brings_a_new_epoch_since_v5() {
    let mut harness = Harness::default();
    let first = harness.init().unwrap();
    harness.add(first, 0).unwrap();
    let second = harness.end(NEW, first, true).unwrap();
    assert_eq!(second, next(first));
    assert_eq!(
        harness.end(NEW, first, true),
        Err(Error::ConcurrentTransactions)
    );
    assert_eq!(harness.end(NEW, first, false), Err(Error::InvalidTxnState));
    assert_eq!(harness.add(second, 0), Err(Error::ConcurrentTransactions));
    assert_eq!(
        harness.write_markers()[0].producer,
        second,
        "late batches are fenced by it"
    );
    harness.restart();
    assert_eq!(
        harness.end(NEW, first, true),
        Ok(second),
        "the answer was lost"
    );
    assert_eq!(harness.end(NEW, first, false), Err(Error::InvalidTxnState));
    assert_eq!(harness.add(first, 0), Err(Error::ProducerFenced));
    harness.add(second, 1).unwrap();
    assert_eq!(harness.end(NEW, first, true), Err(Error::ProducerFenced));
}

#[test]
fn an_abort_of_nothing_brings_a_new_epoch_too_since_v5() {
    let mut harness = Harness::default();
    let first = harness.init().unwrap();
    let second = harness.end(NEW, first, false).unwrap();
    assert_eq!(second, next(first));
    assert_eq!(harness.write_markers()[0].partitions, []);
    assert_eq!(harness.end(NEW, second, false), Ok(next(second)));
}

#[test]
fn an_end_with_used_up_epochs_brings_another_producer_id_since_v5() {
    let (mut harness, producer) = with_epoch(i16::MAX - 1);
    harness.add(producer, 0).unwrap();
    let new = harness.end(NEW, producer, true).unwrap();
    assert_eq!((new.epoch, new.id == producer.id), (0, false));
    assert_eq!(harness.add(new, 0), Err(Error::ConcurrentTransactions));
    assert_eq!(harness.write_markers()[0].producer, next(producer));
    assert_eq!(
        harness.end(NEW, producer, true),
        Ok(new),
        "the answer was lost"
    );
    assert_eq!(harness.add(new, 0), Ok(()));
    assert_eq!(
        harness.add(producer, 0),
        Err(Error::InvalidProducerIdMapping)
    );
}

/// The epoch after its own is then another producer's, which it would otherwise be told to use.
#[test]
fn an_end_repeats_none_that_gave_no_new_epoch() {
    let mut harness = Harness::default();
    let older = harness.init().unwrap();
    let newer = harness.init().unwrap();
    assert_eq!(newer, next(older));
    harness.add(newer, 0).unwrap();
    assert_eq!(harness.end(OLD, newer, true), Ok(newer));
    harness.write_markers();
    assert_eq!(harness.end(NEW, older, true), Err(Error::ProducerFenced));
}
