//! What a producer may send next, by what it has sent.

use super::*;
use crate::batch::{BatchBuilder, Outcome};

const ID: ProducerId = ProducerId(7);

fn batch(epoch: i16, sequence: i32, records: usize) -> Header {
    let builder = BatchBuilder::new().producer(ID, ProducerEpoch(epoch), sequence);
    let built = (0..records)
        .fold(builder, |builder, _| builder.record(0, None, None))
        .build();
    Header::parse(&built).expect("it is one")
}

/// Appends at the offset, which must be allowed.
fn append(producers: &mut Producers, mut batch: Header, at: i64) -> Change {
    let checked = producers.check(&batch, Origin::Client);
    assert!(matches!(checked, Ok(None)), "{checked:?}");
    batch.base_offset = Offset(at);
    producers.apply(&batch, None)
}

fn expected(producers: &Producers, batch: &Header) -> i32 {
    match producers.check(batch, Origin::Client) {
        Err(AppendError::Sequence { expected, .. }) => expected,
        other => panic!("it is not refused: {other:?}"),
    }
}

#[test]
fn a_batch_sent_again_is_where_it_was_and_the_last_five_are_known() {
    let mut producers = Producers::default();
    for number in 0..8 {
        append(
            &mut producers,
            batch(0, number * 3, 3),
            i64::from(number) * 10,
        );
    }
    for number in 0..8 {
        let again = producers.check(&batch(0, number * 3, 3), Origin::Client);
        match number < 3 {
            true => assert!(matches!(
                again,
                Err(AppendError::Sequence { expected: 24, .. })
            )),
            false => {
                let sent = again.expect("it is no error").expect("it is known");
                assert_eq!(sent.base_offset, Offset(i64::from(number) * 10));
            }
        }
    }
    // Not the same batch: it has one record less.
    assert_eq!(expected(&producers, &batch(0, 21, 2)), 24);
}

#[test]
fn a_gap_is_refused_but_nobody_knows_where_a_stranger_is() {
    let mut producers = Producers::default();
    append(&mut producers, batch(0, 100, 2), 0);
    assert_eq!(expected(&producers, &batch(0, 103, 1)), 102);
    assert_eq!(expected(&producers, &batch(0, 0, 1)), 102);
    append(&mut producers, batch(0, 102, 1), 2);
}

#[test]
fn sequences_go_on_at_zero_after_the_largest() {
    let mut producers = Producers::default();
    append(&mut producers, batch(0, i32::MAX - 1, 3), 0);
    assert_eq!(expected(&producers, &batch(0, 0, 1)), 1);
    append(&mut producers, batch(0, 1, 1), 3);
    let again = producers.check(&batch(0, i32::MAX - 1, 3), Origin::Client);
    assert!(again.is_ok_and(|sent| sent.is_some()));
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_old() {
    let mut producers = Producers::default();
    append(&mut producers, batch(3, 0, 2), 0);
    assert_eq!(expected(&producers, &batch(4, 2, 1)), 0);
    append(&mut producers, batch(4, 0, 1), 2);
    let old = producers.check(&batch(3, 2, 1), Origin::Client);
    assert!(matches!(
        old,
        Err(AppendError::Fenced {
            latest: ProducerEpoch(4),
            ..
        })
    ));
    // What the old epoch sent is no duplicate of what the new one sends.
    assert_eq!(expected(&producers, &batch(4, 0, 2)), 1);
}

#[test]
fn a_marker_fences_and_an_old_coordinator_cannot_send_one() {
    let mut producers = Producers::default();
    let marker = |coordinator_epoch| ControlRecord {
        outcome: Outcome::Abort,
        coordinator_epoch,
    };
    let transactional = |epoch, sequence| {
        let mut batch = batch(epoch, sequence, 1);
        batch.attributes.0 |= 1 << 4;
        batch
    };
    assert_eq!(
        append(&mut producers, transactional(0, 0), 10),
        Change::Began
    );
    assert_eq!(
        append(&mut producers, transactional(0, 1), 11),
        Change::None
    );
    let plain = producers.check(&batch(0, 2, 1), Origin::Client);
    assert!(matches!(plain, Err(AppendError::Transaction(_))));
    let mut end = batch(1, -1, 1);
    end.base_offset = Offset(12);
    producers
        .check_marker(ID, ProducerEpoch(1), marker(5))
        .expect("it may");
    assert_eq!(
        producers.apply(&end, Some(marker(5))),
        Change::Ended { first: Offset(10) }
    );
    let late = producers.check(&transactional(0, 2), Origin::Client);
    assert!(matches!(late, Err(AppendError::Fenced { .. })));
    let old = producers.check_marker(ID, ProducerEpoch(1), marker(4));
    assert!(matches!(
        old,
        Err(AppendError::Coordinator { got: 4, latest: 5 })
    ));
    assert_eq!(expected(&producers, &transactional(1, 3)), 0);
}

#[test]
fn a_batch_of_a_transaction_that_is_over_is_not_one_of_the_next() {
    let mut producers = Producers::default();
    let transactional = |sequence| {
        let mut batch = batch(0, sequence, 1);
        batch.attributes.0 |= 1 << 4;
        batch
    };
    let is_known = |producers: &Producers, sequence| {
        let again = producers.check(&transactional(sequence), Origin::Client);
        again.is_ok_and(|sent| sent.is_some())
    };
    append(&mut producers, transactional(0), 10);
    append(&mut producers, transactional(1), 11);
    assert!(is_known(&producers, 0) && is_known(&producers, 1));
    let mut end = batch(0, -1, 1);
    end.base_offset = Offset(12);
    let marker = ControlRecord {
        outcome: Outcome::Abort,
        coordinator_epoch: 0,
    };
    producers.apply(&end, Some(marker));
    // Its producer never heard of it, and takes its number for the first record of the next.
    assert_eq!(expected(&producers, &transactional(1)), 2);
    append(&mut producers, transactional(2), 13);
    assert_eq!(expected(&producers, &transactional(1)), 3);
    assert!(is_known(&producers, 2));
}

#[test]
fn the_number_known_is_bounded_and_who_has_a_transaction_open_stays() {
    let mut producers = Producers::default();
    let last = MAX_PRODUCERS as i64 + 50;
    for number in 0..last {
        let mut batch = batch(0, 0, 1);
        (batch.producer_id, batch.base_offset) = (ProducerId(number), Offset(number));
        if number < 10 {
            batch.attributes.0 |= 1 << 4;
        }
        producers.apply(&batch, None);
        assert!(producers.len() <= MAX_PRODUCERS);
    }
    assert_eq!(producers.transaction_of(ProducerId(3)), Some(Offset(3)));
    // A tenth of those that may go went at once, those that were silent longest.
    let first = 10 + (MAX_PRODUCERS - 10).div_ceil(FORGOTTEN) as i64;
    let known = producers.iter().map(|(id, _)| id.0);
    assert!(known.eq((0..10).chain(first..last)));
    producers.expire(1);
    assert_eq!(producers.len(), 10);
}
