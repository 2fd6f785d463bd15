//! Commits: who may, what is seen when, and how long it stays.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::harness::*;
use crate::group::settings::SWEEP_INTERVAL;
use crate::group::*;
use crate::journal::{AppendError, ProducerIdentity};

const PRODUCER: ProducerIdentity = ProducerIdentity { id: 7, epoch: 0 };

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t0", partition)
}

fn nobody() -> Who {
    Who {
        generation: -1,
        ..Who::default()
    }
}

fn commit_in_transaction(harness: &mut Harness, who: &Who, offset: i64) -> Result<(), Error> {
    let commit = Harness::commit_request(who, &at(0), offset);
    harness
        .call(|it, outside| it.commit_in_transaction(outside, PRODUCER, commit))
        .map(drop)
}

fn end(harness: &mut Harness, committed: bool) {
    harness.journal.mark(PRODUCER, committed);
    harness
        .coordinator
        .complete_transaction(PRODUCER.id, committed);
}

fn fetch_stable(harness: &Harness) -> Result<Option<i64>, Error> {
    let offsets = harness.coordinator.offsets(&"g".into()).unwrap();
    let value = offsets.fetch(&at(0), true)?;
    Ok(value.map(|value| value.offset))
}

#[test]
fn a_group_of_nobody_may_be_committed_to() {
    let mut harness = Harness::default();
    assert_eq!(harness.commit(&nobody(), &at(0), 5), Ok(()));
    assert_eq!(harness.committed(&at(0)), Some(5));
    harness.restart();
    assert_eq!(harness.committed(&at(0)), Some(5));
    assert_eq!(harness.committed(&at(1)), None);
    assert!(harness.coordinator.offsets(&"unknown".into()).is_none());
}

#[test]
fn each_wrong_committer_hears_its_own_error() {
    let mut harness = Harness::default();
    let stranger = Who {
        member: "x".into(),
        generation: 1,
        ..Who::default()
    };
    assert_eq!(
        harness.commit(&stranger, &at(0), 1),
        Err(Error::IllegalGeneration)
    );
    assert_eq!(harness.coordinator.list().count(), 0);
    let mut who = harness.lone_member(None);
    assert_eq!(
        harness.commit(&stranger, &at(0), 1),
        Err(Error::UnknownMemberId)
    );
    assert_eq!(
        harness.commit(&nobody(), &at(0), 1),
        Err(Error::UnknownMemberId)
    );
    let old = Who {
        generation: 0,
        ..who.clone()
    };
    assert_eq!(
        harness.commit(&old, &at(0), 1),
        Err(Error::IllegalGeneration)
    );
    assert_eq!(harness.commit(&who, &at(0), 1), Ok(()));
    // While others join it may still commit what it has done; once the next generation has begun not.
    let mut second = Who::default();
    let ticket = harness.join(&second);
    second.member = harness.refused(ticket).1;
    let ticket = harness.join(&second);
    assert_eq!(harness.commit(&who, &at(0), 2), Ok(()));
    let again = harness.join(&who);
    who.generation = harness.joined(again).generation;
    second.generation = harness.joined(ticket).generation;
    assert_eq!(
        harness.commit(&second, &at(0), 3),
        Err(Error::RebalanceInProgress)
    );
    assert_eq!(harness.committed(&at(0)), Some(2));
}

#[test]
fn a_commit_that_could_not_be_written_down_is_not_there() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    for (failure, error) in [
        (AppendError::Unavailable, Error::CoordinatorNotAvailable),
        (AppendError::TooLarge, Error::InvalidCommitOffsetSize),
    ] {
        harness.journal.failure = Some(failure);
        assert_eq!(harness.commit(&who, &at(0), 1), Err(error));
        assert_eq!(harness.committed(&at(0)), None);
    }
}

#[test]
fn metadata_that_is_too_long_refuses_that_offset_alone() {
    let mut harness = Harness::default();
    let mut commit = Harness::commit_request(&nobody(), &at(0), 1);
    let long = NewOffset {
        at: at(1),
        metadata: "m".repeat(4097).into(),
        ..commit.offsets[0].clone()
    };
    commit.offsets.insert(0, long);
    let results = harness.call(|it, outside| it.commit(outside, commit));
    assert_eq!(
        results,
        Ok(vec![Err(Error::OffsetMetadataTooLarge), Ok(())])
    );
    assert_eq!(
        (harness.committed(&at(1)), harness.committed(&at(0))),
        (None, Some(1))
    );
}

#[test]
fn an_offset_in_a_transaction_counts_from_its_commit_on() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    harness.commit(&who, &at(0), 1).unwrap();
    commit_in_transaction(&mut harness, &who, 2).unwrap();
    assert_eq!(harness.committed(&at(0)), Some(1));
    assert_eq!(fetch_stable(&harness), Err(Error::UnstableOffsetCommit));
    harness.restart();
    assert_eq!(fetch_stable(&harness), Err(Error::UnstableOffsetCommit));
    end(&mut harness, true);
    assert_eq!(fetch_stable(&harness), Ok(Some(2)));
    commit_in_transaction(&mut harness, &who, 3).unwrap();
    end(&mut harness, false);
    assert_eq!(fetch_stable(&harness), Ok(Some(2)));
    harness.restart();
    assert_eq!(fetch_stable(&harness), Ok(Some(2)));
}

#[test]
fn a_later_commit_outside_a_transaction_stands() {
    let mut harness = Harness::default();
    commit_in_transaction(&mut harness, &nobody(), 2).unwrap();
    harness.commit(&nobody(), &at(0), 9).unwrap();
    end(&mut harness, true);
    assert_eq!(harness.committed(&at(0)), Some(9));
    harness.restart();
    assert_eq!(harness.committed(&at(0)), Some(9));
}

#[test]
fn a_transaction_may_speak_for_a_group_or_be_fenced_with_its_member() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    assert_eq!(commit_in_transaction(&mut harness, &nobody(), 1), Ok(()));
    assert_eq!(commit_in_transaction(&mut harness, &who, 1), Ok(()));
    let old = Who {
        generation: 0,
        ..who.clone()
    };
    assert_eq!(
        commit_in_transaction(&mut harness, &old, 1),
        Err(Error::IllegalGeneration)
    );
    let stranger = Who {
        member: "x".into(),
        ..who
    };
    assert_eq!(
        commit_in_transaction(&mut harness, &stranger, 1),
        Err(Error::UnknownMemberId)
    );
}

#[test]
fn a_deleted_offset_does_not_come_back_with_a_transaction() {
    let mut harness = Harness::default();
    harness.commit(&nobody(), &at(1), 1).unwrap();
    commit_in_transaction(&mut harness, &nobody(), 2).unwrap();
    let results =
        harness.call(|it, outside| it.delete_offsets(outside, &"g".into(), &[at(0), at(5)]));
    assert_eq!(results, Ok(vec![Ok(()), Ok(())]));
    end(&mut harness, true);
    assert_eq!(harness.committed(&at(0)), None);
    harness.restart();
    assert_eq!(
        (harness.committed(&at(0)), harness.committed(&at(1))),
        (None, Some(1))
    );
}

#[test]
fn offsets_in_use_are_not_deleted() {
    let mut harness = Harness::default();
    let delete = |harness: &mut Harness, topic: &str| {
        let all = [TopicPartition::new(topic, 0)];
        harness.call(|it, outside| it.delete_offsets(outside, &"g".into(), &all))
    };
    assert_eq!(delete(&mut harness, "t0"), Err(Error::GroupIdNotFound));
    let who = harness.lone_member(None);
    harness.commit(&who, &at(0), 1).unwrap();
    assert_eq!(
        delete(&mut harness, "t0"),
        Ok(vec![Err(Error::GroupSubscribedToTopic)])
    );
    assert_eq!(delete(&mut harness, "t1"), Ok(vec![Ok(())]));
    harness.leave(&who).unwrap();
    assert_eq!(delete(&mut harness, "t0"), Ok(vec![Ok(())]));
    assert_eq!(harness.committed(&at(0)), None);
}

#[test]
fn a_group_with_members_is_not_deleted() {
    let mut harness = Harness::default();
    let delete =
        |harness: &mut Harness| harness.call(|it, outside| it.delete(outside, &"g".into()));
    assert_eq!(delete(&mut harness), Err(Error::GroupIdNotFound));
    let who = harness.lone_member(None);
    harness.commit(&who, &at(0), 1).unwrap();
    assert_eq!(delete(&mut harness), Err(Error::NonEmptyGroup));
    harness.leave(&who).unwrap();
    harness.journal.failure = Some(AppendError::Unavailable);
    assert_eq!(delete(&mut harness), Err(Error::CoordinatorNotAvailable));
    assert_eq!(harness.committed(&at(0)), Some(1));
    harness.journal.failure = None;
    assert_eq!(delete(&mut harness), Ok(()));
    assert_eq!(harness.coordinator.list().count(), 0);
    harness.restart();
    assert_eq!(harness.coordinator.list().count(), 0);
    assert!(harness.journal.compacted().is_empty());
}

fn sweep(harness: &mut Harness) {
    harness.call(|it, outside| it.sweep(outside)).unwrap();
}

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn offsets_live_seven_days_after_the_last_member_has_gone() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    harness.commit(&who, &at(0), 1).unwrap();
    harness
        .commit(&who, &TopicPartition::new("old", 0), 1)
        .unwrap();
    for _ in 0..(8 * 86_400 / 9) {
        harness.advance(Duration::from_secs(9));
        harness.heartbeat(&who).unwrap();
    }
    sweep(&mut harness);
    assert_eq!(harness.committed(&at(0)), Some(1));
    assert_eq!(
        harness.committed(&TopicPartition::new("old", 0)),
        None,
        "nobody subscribes to it"
    );
    harness.leave(&who).unwrap();
    harness.advance(7 * DAY - SWEEP_INTERVAL);
    sweep(&mut harness);
    assert_eq!(harness.committed(&at(0)), Some(1));
    harness.restart();
    harness.advance(SWEEP_INTERVAL);
    sweep(&mut harness);
    assert_eq!(harness.coordinator.list().count(), 0);
    harness.restart();
    assert_eq!(harness.coordinator.list().count(), 0);
}

#[test]
fn offsets_of_a_group_of_nobody_live_from_their_commit_or_as_asked() {
    let mut harness = Harness::default();
    harness.commit(&nobody(), &at(0), 1).unwrap();
    let commit = Commit {
        retention_ms: Some(1000),
        ..Harness::commit_request(&nobody(), &at(1), 1)
    };
    harness
        .call(|it, outside| it.commit(outside, commit))
        .unwrap();
    harness.restart();
    harness.advance(2 * DAY);
    sweep(&mut harness);
    assert_eq!(
        (harness.committed(&at(0)), harness.committed(&at(1))),
        (Some(1), None)
    );
    harness.commit(&nobody(), &at(2), 1).unwrap();
    commit_in_transaction(&mut harness, &nobody(), 2).unwrap();
    harness.advance(5 * DAY);
    sweep(&mut harness);
    assert_eq!(
        harness.committed(&at(0)),
        Some(1),
        "a transaction is about to change it"
    );
    end(&mut harness, false);
    sweep(&mut harness);
    assert_eq!(
        (harness.committed(&at(0)), harness.committed(&at(2))),
        (None, Some(1))
    );
}

#[test]
fn offsets_go_with_their_topic() {
    let mut harness = Harness::default();
    harness.commit(&nobody(), &at(0), 1).unwrap();
    harness
        .commit(&nobody(), &TopicPartition::new("t1", 0), 1)
        .unwrap();
    harness.topics.all = vec![("t1".into(), 1)];
    harness
        .call(|it, outside| it.forget_topics(outside, ["t0".into(), "t1".into()].into()))
        .unwrap();
    assert_eq!(harness.committed(&at(0)), None);
    harness.restart();
    assert_eq!(harness.committed(&at(0)), None);
    assert_eq!(harness.committed(&TopicPartition::new("t1", 0)), Some(1));
}
