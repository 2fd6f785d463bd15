//! Static members (KIP-345) that restart.

use std::time::Duration;

use bytes::Bytes;

use super::harness::*;
use crate::group::*;
use crate::journal::AppendError;

fn again(who: &Who) -> Who {
    Who {
        member: MemberId::default(),
        ..who.clone()
    }
}

#[test]
fn one_that_comes_back_gets_its_share_and_nobody_else_notices() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(Some("i1"));
    let second = harness.with_second(&mut first, Some("i2"));
    let ticket = harness.join(&again(&second));
    let joined = harness.joined(ticket);
    assert_ne!(joined.member, second.member);
    assert_eq!((joined.generation, &joined.leader), (2, &first.member));
    let back = Who {
        member: joined.member,
        ..second.clone()
    };
    let ticket = harness.sync(&back, &[]);
    assert_eq!(harness.synced(ticket), Ok(Bytes::from_static(b"two")));
    assert_eq!(harness.heartbeat(&first), Ok(()));
    assert_eq!(harness.heartbeat(&second), Err(Error::FencedInstanceId));
    let ticket = harness.join(&second);
    assert_eq!(harness.refused(ticket).0, Error::FencedInstanceId);
    assert_eq!(
        harness.commit(&second, &TopicPartition::new("t0", 0), 1),
        Err(Error::FencedInstanceId)
    );
    // The journal knows the new id.
    harness.restart();
    assert_eq!(harness.heartbeat(&back), Ok(()));
    assert_eq!(harness.heartbeat(&second), Err(Error::FencedInstanceId));
}

#[test]
fn a_leader_that_comes_back_need_not_assign() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(Some("i1"));
    let _second = harness.with_second(&mut first, Some("i2"));
    let ticket = harness.join(&again(&first));
    let joined = harness.joined(ticket);
    assert!(joined.skip_assignment);
    assert_eq!((&joined.leader, joined.members.len()), (&joined.member, 2));
    // An older client is told that another leads, for it would assign otherwise.
    let old = joined.member;
    let ticket = harness.join_with(Join {
        version: 8,
        ..join_request(&again(&first))
    });
    let joined = harness.joined(ticket);
    assert!(!joined.skip_assignment);
    assert_eq!((joined.leader, joined.members.len()), (old, 0));
}

#[test]
fn one_that_comes_back_with_other_topics_is_a_reason_to_rebalance() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(Some("i1"));
    let second = harness.with_second(&mut first, Some("i2"));
    let ticket = harness.join_with(Join {
        protocols: vec![("range".into(), subscription("t7"))],
        ..join_request(&again(&second))
    });
    assert_eq!(harness.answer(ticket), None);
    assert_eq!(harness.heartbeat(&first), Err(Error::RebalanceInProgress));
}

#[test]
fn one_that_comes_back_while_the_leader_assigns_makes_all_join_again() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(Some("i1"));
    let second = harness.with_second(&mut first, Some("i2"));
    let tickets = [
        harness.join(&first),
        harness.join_with(Join {
            protocols: vec![("range".into(), subscription("t0"))],
            ..join_request(&second)
        }),
    ];
    let generation = harness.joined(tickets[0]).generation;
    harness.joined(tickets[1]);
    let first = Who {
        generation,
        ..first
    };
    let waiting = harness.sync(
        &Who {
            generation,
            ..second.clone()
        },
        &[],
    );
    let ticket = harness.join(&again(&second));
    assert_eq!(harness.synced(waiting), Err(Error::FencedInstanceId));
    let leader = harness.sync(&first, &[(&first.member.clone(), "x")]);
    assert_eq!(harness.synced(leader), Err(Error::RebalanceInProgress));
    let leader = harness.join(&first);
    assert_eq!(harness.joined(leader).generation, generation + 1);
    assert_eq!(harness.joined(ticket).generation, generation + 1);
}

#[test]
fn one_that_waits_to_join_is_fenced_by_its_next_self() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(Some("i1"));
    let second = harness.with_second(&mut first, Some("i2"));
    let leader = harness.join(&first);
    assert_eq!(harness.answer(leader), None);
    let before = harness.join(&again(&first));
    assert_eq!(harness.refused(leader).0, Error::FencedInstanceId);
    let ticket = harness.join(&second);
    assert_eq!(harness.joined(before).generation, 3);
    assert_eq!(harness.joined(ticket).generation, 3);
}

#[test]
fn one_that_is_away_keeps_its_place_only_for_its_session() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(Some("i1"));
    let _second = harness.with_second(&mut first, Some("i2"));
    // A rebalance while the second is away: it is still among those assigned to.
    let short = Join {
        rebalance_timeout: Duration::from_secs(1),
        ..join_request(&first)
    };
    let ticket = harness.join_with(short);
    assert_eq!(harness.answer(ticket), None);
    harness.advance(Duration::from_secs(9));
    let _ = harness.heartbeat(&first);
    harness.advance(Duration::from_secs(3));
    let joined = harness.joined(ticket);
    assert_eq!(joined.members.len(), 1, "its session of 10 s is over");
}

#[test]
fn a_place_that_could_not_be_written_down_is_not_taken() {
    let mut harness = Harness::default();
    let who = harness.lone_member(Some("i1"));
    harness.journal.failure = Some(AppendError::Unavailable);
    let ticket = harness.join(&again(&who));
    assert_eq!(harness.refused(ticket).0, Error::CoordinatorNotAvailable);
    assert_eq!(harness.heartbeat(&who), Ok(()));
}
