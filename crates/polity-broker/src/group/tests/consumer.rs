//! KIP-848 groups: one thing at a time.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::harness::*;
use crate::group::*;
use crate::journal::memory::Written;
use crate::journal::{AppendError, ProducerIdentity};

fn state(harness: &Harness) -> &'static str {
    harness
        .coordinator
        .describe_consumer(&"g".into())
        .map_or("none", |group| group.state)
}

/// A group of one that has all four partitions, and of another that waits for two of them.
fn two_members() -> Harness {
    let mut harness = Harness::with_topics(&[4]);
    assert_eq!(harness.beat(beat("a", 0, &[])), (1, Some(vec![0, 1, 2, 3])));
    assert_eq!(harness.beat(beat("b", 0, &[])), (2, Some(vec![])));
    assert_eq!(state(&harness), "Reconciling");
    harness
}

#[test]
fn nobody_gets_what_another_has_not_given_up() {
    let mut harness = two_members();
    let (epoch, rest) = harness.beat(beat("a", 1, &[0, 1, 2, 3]));
    assert_eq!((epoch, rest), (1, Some(vec![0, 1])));
    assert_eq!(harness.beat(beat("b", 2, &[])), (2, Some(vec![])));
    // It says nothing of what it has: so it has it still.
    assert_eq!(
        harness.beat(Heartbeat {
            owned: None,
            ..beat("a", 1, &[])
        }),
        (1, None)
    );
    assert_eq!(harness.beat(beat("b", 2, &[])), (2, Some(vec![])));
    assert_eq!(harness.beat(beat("a", 1, &[0, 1])), (2, Some(vec![0, 1])));
    assert_eq!(harness.beat(beat("b", 2, &[])), (2, Some(vec![2, 3])));
    assert_eq!(state(&harness), "Stable");
}

#[test]
fn a_heartbeat_that_says_nothing_new_writes_nothing_and_hears_nothing() {
    let mut harness = Harness::with_topics(&[2]);
    harness.beat(beat("a", 0, &[]));
    let written = harness.journal.written.len();
    let quiet = Heartbeat {
        topics: None,
        owned: None,
        rebalance_timeout_ms: -1,
        ..beat("a", 1, &[])
    };
    assert_eq!(harness.beat(quiet), (1, None));
    assert_eq!(harness.journal.written.len(), written);
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_put_out() {
    let mut harness = two_members();
    harness.beat(beat("a", 1, &[0, 1, 2, 3]));
    for _ in 0..4 {
        harness.advance(Duration::from_secs(4));
        harness.beat(beat("a", 1, &[0, 1, 2, 3]));
        harness.beat(beat("b", 2, &[]));
    }
    harness.advance(Duration::from_secs(5));
    let fenced = harness.consumer_heartbeat(beat("a", 1, &[0, 1, 2, 3]));
    assert_eq!(fenced, Err(Error::UnknownMemberId));
    assert_eq!(harness.beat(beat("b", 2, &[])), (3, Some(vec![0, 1, 2, 3])));
}

#[test]
fn a_silent_member_is_put_out_and_its_partitions_go_to_others() {
    let mut harness = two_members();
    harness.advance(Duration::from_secs(40));
    harness.beat(beat("b", 2, &[]));
    harness.advance(Duration::from_secs(10));
    assert_eq!(harness.beat(beat("b", 2, &[])), (3, Some(vec![0, 1, 2, 3])));
    harness.restart();
    // Sessions begin anew with the broker.
    harness.advance(Duration::from_secs(44));
    assert_eq!(harness.beat(beat("b", 3, &[0, 1, 2, 3])).0, 3);
    harness.advance(Duration::from_secs(46));
    assert_eq!(state(&harness), "Empty");
}

#[test]
fn members_that_could_not_be_put_out_are_put_out_later() {
    let mut harness = Harness::with_topics(&[1]);
    harness.beat(beat("a", 0, &[]));
    harness.journal.failure = Some(AppendError::Unavailable);
    harness.advance(Duration::from_secs(60));
    assert_eq!(state(&harness), "Stable");
    harness.journal.failure = None;
    harness.advance(Duration::from_secs(2));
    assert_eq!(state(&harness), "Empty");
}

#[test]
fn a_step_that_could_not_be_written_down_has_not_been_taken() {
    let mut harness = Harness::with_topics(&[1]);
    harness.journal.failure = Some(AppendError::Unavailable);
    assert_eq!(
        harness.consumer_heartbeat(beat("a", 0, &[])),
        Err(Error::CoordinatorNotAvailable)
    );
    assert_eq!(harness.coordinator.list().count(), 0);
    harness.journal.failure = None;
    assert_eq!(harness.beat(beat("a", 0, &[])), (1, Some(vec![0])));
}

#[test]
fn a_member_that_leaves_makes_room() {
    let mut harness = two_members();
    assert_eq!(harness.beat(beat("a", -1, &[])), (-1, None));
    assert_eq!(harness.beat(beat("b", 2, &[])), (3, Some(vec![0, 1, 2, 3])));
    assert_eq!(
        harness.consumer_heartbeat(beat("a", -1, &[])),
        Err(Error::UnknownMemberId)
    );
}

#[test]
fn epochs_that_are_not_the_members_are_fenced() {
    let mut harness = two_members();
    for epoch in [2, 7] {
        assert_eq!(
            harness.consumer_heartbeat(beat("a", epoch, &[])),
            Err(Error::FencedMemberEpoch)
        );
    }
    harness.beat(beat("a", 1, &[]));
    // The answer was lost: the epoch before is good enough, but not with what it does not have.
    assert_eq!(harness.beat(beat("a", 1, &[0])).0, 2);
    assert_eq!(
        harness.consumer_heartbeat(beat("a", 1, &[3])),
        Err(Error::FencedMemberEpoch)
    );
    // Two epochs ago is too long.
    harness.beat(beat("b", -1, &[]));
    assert_eq!(harness.beat(beat("a", 2, &[0, 1])).0, 3);
    assert_eq!(
        harness.consumer_heartbeat(beat("a", 1, &[0])),
        Err(Error::FencedMemberEpoch)
    );
    assert_eq!(
        harness.consumer_heartbeat(beat("x", 1, &[])),
        Err(Error::UnknownMemberId)
    );
    let other = Heartbeat {
        group: "h".into(),
        ..beat("a", 1, &[])
    };
    assert_eq!(
        harness.consumer_heartbeat(other),
        Err(Error::GroupIdNotFound)
    );
}

#[test]
fn a_static_member_that_comes_back_takes_over_and_nobody_notices() {
    let mut harness = Harness::with_topics(&[4]);
    let named = |request: Heartbeat| Heartbeat {
        instance: Some("i".into()),
        ..request
    };
    harness.beat(named(beat("a", 0, &[])));
    harness.beat(beat("b", 0, &[]));
    harness.beat(named(beat("a", 1, &[])));
    assert_eq!(harness.beat(beat("b", 2, &[])), (2, Some(vec![2, 3])));
    let early = harness.consumer_heartbeat(named(beat("a2", 0, &[])));
    assert_eq!(early, Err(Error::UnreleasedInstanceId));
    assert_eq!(harness.beat(named(beat("a", -2, &[]))).0, -2);
    // Nobody gets what it had, even if asked.
    assert_eq!(harness.beat(beat("b", 2, &[2, 3])), (2, Some(vec![2, 3])));
    harness.restart();
    assert_eq!(
        harness.beat(named(beat("a2", 0, &[]))),
        (2, Some(vec![0, 1]))
    );
    let old = harness.consumer_heartbeat(named(beat("a", 2, &[])));
    assert_eq!(old, Err(Error::FencedInstanceId));
    assert_eq!(harness.beat(beat("b", 2, &[2, 3])).0, 2, "no new epoch");
}

#[test]
fn a_static_member_that_leaves_for_a_while_has_given_up_what_it_was_asked_to() {
    let mut harness = Harness::with_topics(&[4]);
    let named = |request: Heartbeat| Heartbeat {
        instance: Some("i".into()),
        ..request
    };
    harness.beat(named(beat("a", 0, &[])));
    harness.beat(beat("b", 0, &[]));
    let asked = harness.beat(named(beat("a", 1, &[0, 1, 2, 3])));
    assert_eq!(asked, (1, Some(vec![0, 1])));
    harness.beat(named(beat("a", -2, &[])));
    assert_eq!(harness.beat(beat("b", 2, &[])), (2, Some(vec![2, 3])));
}

#[test]
fn a_static_member_that_does_not_come_back_is_put_out() {
    let mut harness = Harness::with_topics(&[1]);
    let named = |request: Heartbeat| Heartbeat {
        instance: Some("i".into()),
        ..request
    };
    harness.beat(named(beat("a", 0, &[])));
    harness.beat(named(beat("a", -2, &[])));
    harness.advance(Duration::from_secs(46));
    assert_eq!(state(&harness), "Empty");
}

#[test]
fn partitions_and_topics_that_come_are_assigned() {
    let mut harness = Harness::with_topics(&[1]);
    let two = |request: Heartbeat| Heartbeat {
        topics: Some(vec!["t1".into(), "t0".into(), "t0".into()]),
        ..request
    };
    assert_eq!(harness.beat(two(beat("a", 0, &[]))), (1, Some(vec![0])));
    harness.set_topics(&[3]);
    assert_eq!(
        harness.beat(two(beat("a", 1, &[0]))),
        (2, Some(vec![0, 1, 2]))
    );
    harness.set_topics(&[3, 1]);
    assert_eq!(
        harness.beat(two(beat("a", 2, &[0, 1, 2]))),
        (3, Some(vec![0, 1, 2, 0]))
    );
    // A topic that nobody subscribes to is no reason for anything.
    harness.set_topics(&[3, 1, 5]);
    assert_eq!(harness.beat(two(beat("a", 3, &[0, 1, 2]))).0, 3);
    // A topic that is deleted is to be given up.
    harness.set_topics(&[]);
    let answer = harness.beat(two(beat("a", 3, &[0, 1, 2])));
    assert_eq!(answer, (3, Some(vec![])));
    assert_eq!(harness.beat(two(beat("a", 3, &[]))).0, 4);
}

#[test]
fn a_regular_expression_stands_for_the_topics_there_are() {
    let mut harness = Harness::with_topics(&[1, 1]);
    let with = |regex: &str, request: Heartbeat| Heartbeat {
        topics: Some(vec![]),
        regex: Some(regex.into()),
        ..request
    };
    // The whole name must match.
    assert_eq!(
        harness.beat(with("[t]", beat("a", 0, &[]))),
        (1, Some(vec![]))
    );
    assert_eq!(
        harness.beat(with("t[0-8]", beat("a", 1, &[]))),
        (2, Some(vec![0, 0]))
    );
    harness.set_topics(&[1, 1, 1]);
    assert_eq!(
        harness.beat(with("t[0-8]", beat("a", 2, &[]))),
        (3, Some(vec![0, 0, 0]))
    );
    harness.restart();
    assert_eq!(
        harness.beat(with("t[0-8]", beat("a", 3, &[]))),
        (3, Some(vec![0, 0, 0]))
    );
    let topics = harness
        .coordinator
        .describe_consumer(&"g".into())
        .unwrap()
        .members[0]
        .topics
        .clone();
    assert_eq!(topics, ["t0", "t1", "t2"]);
    let kept = |harness: &Harness| {
        let is_regex = |it: &Written| matches!(it, Written::Entry { entry, .. } if entry.key.starts_with(&[0, 16]));
        harness
            .journal
            .compacted()
            .iter()
            .filter(|it| is_regex(it))
            .count()
    };
    assert_eq!(kept(&harness), 1, "those that nobody uses are gone");
    for wrong in ["(", "a)(?:b", "x{1000}{1000}", &"a".repeat(1025)] {
        let answer = harness.consumer_heartbeat(with(wrong, beat("a", 3, &[])));
        assert_eq!(answer, Err(Error::InvalidRegularExpression), "{wrong}");
    }
}

#[test]
fn members_say_which_assignor_they_would_like() {
    let mut harness = Harness::with_topics(&[3, 3]);
    let ranged = |request: Heartbeat| Heartbeat {
        assignor: Some("range".into()),
        topics: Some(vec!["t0".into(), "t1".into()]),
        ..request
    };
    harness.beat(ranged(beat("a", 0, &[])));
    harness.beat(ranged(beat("b", 0, &[])));
    let group = harness.coordinator.describe_consumer(&"g".into()).unwrap();
    assert_eq!(group.assignor, "range");
    let sizes: Vec<usize> = group.members[0]
        .target
        .iter()
        .map(|it| it.partitions.len())
        .collect();
    assert_eq!(sizes, [2, 2]);
    let other = Heartbeat {
        assignor: Some("sticky".into()),
        ..beat("a", 1, &[])
    };
    assert_eq!(
        harness.consumer_heartbeat(other),
        Err(Error::UnsupportedAssignor)
    );
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut harness = Harness::with_topics(&[1]);
    let join = || beat("a", 0, &[]);
    let wrong = [
        Heartbeat {
            member: "".into(),
            ..join()
        },
        Heartbeat {
            epoch: -3,
            ..join()
        },
        Heartbeat {
            epoch: -2,
            ..join()
        },
        Heartbeat {
            rebalance_timeout_ms: -1,
            ..join()
        },
        Heartbeat {
            topics: None,
            ..join()
        },
        Heartbeat {
            owned: None,
            ..join()
        },
        Heartbeat {
            instance: Some("".into()),
            ..join()
        },
        Heartbeat {
            member: "m".repeat(600).as_str().into(),
            ..join()
        },
        beat("a", 0, &[1]),
    ];
    for request in wrong {
        assert_eq!(
            harness.consumer_heartbeat(request),
            Err(Error::InvalidRequest)
        );
    }
    let nameless = Heartbeat {
        group: "".into(),
        ..join()
    };
    assert_eq!(
        harness.consumer_heartbeat(nameless),
        Err(Error::InvalidGroupId)
    );
    // Before v1 the broker gave the id.
    let old = Heartbeat {
        version: 0,
        member: "".into(),
        ..join()
    };
    assert!(
        harness
            .consumer_heartbeat(old)
            .unwrap()
            .member
            .as_str()
            .starts_with("c-")
    );
}

#[test]
fn a_group_is_no_larger_than_it_may_be() {
    let settings = Settings {
        max_group_size: 1,
        ..Settings::default()
    };
    let mut harness = Harness::new(settings, 1);
    harness.set_topics(&[1]);
    harness.beat(beat("a", 0, &[]));
    assert_eq!(
        harness.consumer_heartbeat(beat("b", 0, &[])),
        Err(Error::GroupMaxSizeReached)
    );
    assert_eq!(
        harness.beat(beat("a", 0, &[])).0,
        1,
        "who is in it may join again"
    );
}

#[test]
fn commits_and_fetches_need_the_members_epoch() {
    let mut harness = two_members();
    let at = TopicPartition::new("t0", 0);
    let who = |member: &str, generation| Who {
        member: member.into(),
        instance: None,
        generation,
    };
    assert_eq!(harness.commit(&who("a", 1), &at, 5), Ok(()));
    assert_eq!(
        harness.commit(&who("a", 2), &at, 6),
        Err(Error::StaleMemberEpoch)
    );
    assert_eq!(
        harness.commit(&who("x", 1), &at, 6),
        Err(Error::UnknownMemberId)
    );
    assert_eq!(
        harness.commit(&who("", -1), &at, 6),
        Err(Error::UnknownMemberId)
    );
    let producer = ProducerIdentity { id: 1, epoch: 0 };
    for (who, expected) in [
        (who("a", 2), Err(Error::IllegalGeneration)),
        (who("", -1), Ok(vec![Ok(())])),
    ] {
        let commit = Harness::commit_request(&who, &at, 7);
        let result =
            harness.call(|it, outside| it.commit_in_transaction(outside, producer, commit));
        assert_eq!(result, expected);
    }
    let fetch = |member: &str, epoch| {
        harness
            .coordinator
            .validate_fetch(&"g".into(), &member.into(), epoch)
    };
    assert_eq!(fetch("a", 1), Ok(()));
    assert_eq!(fetch("", -1), Ok(()));
    assert_eq!(fetch("a", 0), Err(Error::StaleMemberEpoch));
    assert_eq!(fetch("x", 0), Err(Error::UnknownMemberId));
    let deleted = harness.call(|it, outside| it.delete_offsets(outside, &"g".into(), &[at]));
    assert_eq!(deleted, Ok(vec![Err(Error::GroupSubscribedToTopic)]));
}

#[test]
fn a_group_changes_its_protocol_only_while_it_has_no_members() {
    let mut harness = Harness::with_topics(&[2]);
    let at = TopicPartition::new("t0", 0);
    let classic = harness.lone_member(None);
    harness.commit(&classic, &at, 5).unwrap();
    assert_eq!(
        harness.consumer_heartbeat(beat("a", 0, &[])),
        Err(Error::GroupIdNotFound)
    );
    harness.leave(&classic).unwrap();
    assert_eq!(harness.beat(beat("a", 0, &[])).0, 1);
    assert_eq!(harness.committed(&at), Some(5));
    assert_eq!(harness.heartbeat(&classic), Err(Error::UnknownMemberId));
    let ticket = harness.join_with(Join {
        version: 3,
        ..join_request(&Who::default())
    });
    assert_eq!(harness.refused(ticket).0, Error::InconsistentGroupProtocol);
    harness.restart();
    assert_eq!(
        (state(&harness), harness.committed(&at)),
        ("Stable", Some(5))
    );
    harness.beat(beat("a", -1, &[]));
    let classic = harness.lone_member(None);
    assert_eq!((state(&harness), classic.generation), ("none", 1));
    harness.restart();
    assert_eq!(
        (harness.heartbeat(&classic), harness.committed(&at)),
        (Ok(()), Some(5))
    );
    // And so does what compaction leaves.
    let compacted = harness.replayed(&harness.journal.compacted());
    assert_eq!(compacted.snapshot(), harness.coordinator.snapshot());
}

#[test]
fn an_empty_group_is_deleted_with_all_that_was_written_down() {
    let mut harness = Harness::with_topics(&[2]);
    let regex = Heartbeat {
        regex: Some("t.".into()),
        ..beat("a", 0, &[])
    };
    harness.beat(regex);
    let who = Who {
        member: "a".into(),
        instance: None,
        generation: 1,
    };
    harness
        .commit(&who, &TopicPartition::new("t0", 0), 5)
        .unwrap();
    let delete =
        |harness: &mut Harness| harness.call(|it, outside| it.delete(outside, &"g".into()));
    assert_eq!(delete(&mut harness), Err(Error::NonEmptyGroup));
    harness.beat(beat("a", -1, &[]));
    assert_eq!(delete(&mut harness), Ok(()));
    assert_eq!(harness.coordinator.list().count(), 0);
    assert!(harness.journal.compacted().is_empty());
    harness.restart();
    assert_eq!(harness.coordinator.list().count(), 0);
}

#[test]
fn offsets_of_an_empty_group_expire() {
    let mut harness = Harness::with_topics(&[2]);
    harness.beat(beat("a", 0, &[]));
    let who = Who {
        member: "a".into(),
        instance: None,
        generation: 1,
    };
    let at = TopicPartition::new("t0", 0);
    harness.commit(&who, &at, 5).unwrap();
    let listed: Vec<_> = harness.coordinator.list().collect();
    assert_eq!(
        (listed[0].group_type, listed[0].state),
        (GroupType::Consumer, "Stable")
    );
    harness.advance(Duration::from_secs(7 * 86_400));
    harness.call(|it, outside| it.sweep(outside)).unwrap();
    assert_eq!(
        (state(&harness), harness.committed(&at)),
        ("Empty", Some(5))
    );
    harness.advance(Duration::from_secs(46));
    harness.call(|it, outside| it.sweep(outside)).unwrap();
    assert_eq!(harness.coordinator.list().count(), 0);
    assert!(harness.journal.compacted().is_empty());
}
