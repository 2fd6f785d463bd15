//! How members come, are counted and share.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;

use super::harness::*;
use crate::group::settings::MAX_ID_LENGTH;
use crate::group::*;
use crate::journal::AppendError;

fn state(harness: &Harness) -> &'static str {
    harness
        .coordinator
        .describe(&"g".into())
        .map_or("Dead", |it| it.state)
}

#[test]
fn a_new_member_is_given_an_id_to_join_with() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    assert!(who.member.as_str().starts_with("c-"));
    assert_eq!(who.generation, 1);
    assert_eq!(state(&harness), "Stable");
}

#[test]
fn before_v4_a_new_member_joins_at_once() {
    let mut harness = Harness::default();
    let ticket = harness.join_with(Join {
        version: 3,
        ..join_request(&Who::default())
    });
    let joined = harness.joined(ticket);
    assert_eq!(joined.leader, joined.member);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.protocol.as_deref(), Some("range"));
}

#[test]
fn two_members_get_what_the_leader_says() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(None);
    let second = harness.with_second(&mut first, None);
    assert_eq!(second.generation, 2);
    // The answer to a sync that got lost.
    let again = harness.sync(&second, &[]);
    assert_eq!(harness.synced(again), Ok(Bytes::from_static(b"two")));
    // The answer to a join that got lost: no rebalance for a follower that says nothing new.
    let again = harness.join(&second);
    assert_eq!(harness.joined(again).generation, 2);
    assert_eq!(harness.heartbeat(&first), Ok(()));
}

#[test]
fn a_leader_that_joins_again_wants_a_rebalance() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(None);
    let second = harness.with_second(&mut first, None);
    let ticket = harness.join(&first);
    assert_eq!(harness.answer(ticket), None);
    assert_eq!(harness.heartbeat(&second), Err(Error::RebalanceInProgress));
}

/// KIP-429: the members first give up, then join again for what others gave up.
#[test]
fn a_cooperative_group_rebalances_twice() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(None);
    let mut second = harness.with_second(&mut first, None);
    let generation = second.generation;
    let tickets = [
        harness.join_with(Join {
            protocols: vec![("range".into(), subscription("t1"))],
            ..join_request(&second)
        }),
        harness.join(&first),
    ];
    second.generation = harness.joined(tickets[0]).generation;
    first.generation = harness.joined(tickets[1]).generation;
    assert_eq!(first.generation, generation + 1);
    let late = harness.sync(&second, &[]);
    let ticket = harness.sync(&first, &[(&first.member.clone(), "fewer")]);
    assert_eq!(harness.synced(ticket), Ok(Bytes::from_static(b"fewer")));
    assert_eq!(harness.synced(late), Ok(Bytes::new()));
}

#[test]
fn a_member_that_does_not_come_back_is_left_behind() {
    let mut harness = Harness::default();
    let first = harness.lone_member(None);
    let mut second = Who::default();
    let ticket = harness.join(&second);
    second.member = harness.refused(ticket).1;
    let ticket = harness.join(&second);
    for _ in 0..7 {
        harness.advance(Duration::from_secs(9));
        // It heartbeats all the while, but does not join.
        let _ = harness.heartbeat(&first);
    }
    let joined = harness.joined(ticket);
    assert_eq!(
        (joined.generation, joined.leader == second.member),
        (2, true)
    );
    assert_eq!(harness.heartbeat(&first), Err(Error::UnknownMemberId));
}

#[test]
fn a_member_without_heartbeats_is_given_up_after_its_session() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(None);
    let second = harness.with_second(&mut first, None);
    harness.advance(Duration::from_secs(9));
    assert_eq!(harness.heartbeat(&first), Ok(()));
    harness.advance(Duration::from_secs(2));
    assert_eq!(harness.heartbeat(&first), Err(Error::RebalanceInProgress));
    let ticket = harness.join(&first);
    assert_eq!(harness.joined(ticket).members.len(), 1);
    assert_eq!(harness.heartbeat(&second), Err(Error::UnknownMemberId));
}

#[test]
fn the_last_member_to_go_leaves_an_empty_group_that_a_restart_knows() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    assert_eq!(harness.leave(&who), Ok(()));
    assert_eq!(state(&harness), "Empty");
    harness.restart();
    assert_eq!(state(&harness), "Empty");
    let next = harness.lone_member(None);
    assert_eq!(next.generation, 3);
}

#[test]
fn an_empty_group_that_could_not_be_written_down_is_tried_again() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    harness.journal.failure = Some(AppendError::Unavailable);
    assert_eq!(harness.leave(&who), Ok(()));
    harness.advance(Duration::from_secs(5));
    harness.journal.failure = None;
    harness.advance(Duration::from_secs(2));
    harness.restart();
    assert_eq!(state(&harness), "Empty");
}

#[test]
fn an_assignment_that_could_not_be_written_down_is_heard_by_nobody() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    let ticket = harness.join(&who);
    let who = Who {
        generation: harness.joined(ticket).generation,
        ..who
    };
    harness.journal.failure = Some(AppendError::Unavailable);
    let ticket = harness.sync(&who, &[(&who.member.clone(), "new")]);
    assert_eq!(harness.synced(ticket), Err(Error::CoordinatorNotAvailable));
    assert_eq!(harness.heartbeat(&who), Err(Error::RebalanceInProgress));
    harness.restart();
    // What was assigned before stands, under its own generation.
    let who = Who {
        generation: 1,
        ..who
    };
    let ticket = harness.sync(&who, &[]);
    assert_eq!(harness.synced(ticket), Ok(Bytes::from_static(b"all")));
}

#[test]
fn most_votes_choose_among_the_protocols_all_know() {
    let mut harness = Harness::default();
    let offers: [&[&str]; 3] = [&["a", "b", "c"], &["b", "c"], &["c", "b"]];
    let mut tickets = Vec::new();
    for names in offers {
        let named = |name: &&str| ((*name).into(), subscription(name));
        let join = Join {
            version: 3,
            protocols: names.iter().map(named).collect(),
            ..join_request(&Who::default())
        };
        tickets.push(harness.join_with(join));
    }
    let first = harness.joined(tickets[0]);
    let who = Who {
        member: first.member,
        ..Who::default()
    };
    let named = |name: &str| (name.into(), subscription(name));
    let again = Join {
        protocols: vec![named("a"), named("b"), named("c")],
        ..join_request(&who)
    };
    let ticket = harness.join_with(again);
    let joined = harness.joined(ticket);
    assert_eq!(joined.protocol.as_deref(), Some("b"));
    assert!(
        joined
            .members
            .iter()
            .all(|it| it.metadata == subscription("b"))
    );
    assert_eq!(harness.joined(tickets[1]).protocol.as_deref(), Some("b"));
    // Nobody may come who knows none that all know.
    let join = Join {
        version: 3,
        protocols: vec![named("a")],
        ..join_request(&Who::default())
    };
    let ticket = harness.join_with(join);
    assert_eq!(harness.refused(ticket).0, Error::InconsistentGroupProtocol);
    let join = Join {
        protocol_type: "connect".into(),
        ..join_request(&Who::default())
    };
    let ticket = harness.join_with(join);
    assert_eq!(harness.refused(ticket).0, Error::InconsistentGroupProtocol);
}

#[test]
fn an_empty_group_may_wait_for_more_members() {
    let delay = Duration::from_secs(3);
    let settings = Settings {
        initial_rebalance_delay: delay,
        ..Settings::default()
    };
    let mut harness = Harness::new(settings, 1);
    let old = || Join {
        version: 3,
        ..join_request(&Who::default())
    };
    let first = harness.join_with(old());
    harness.advance(Duration::from_secs(2));
    assert_eq!(harness.answer(first), None);
    let second = harness.join_with(old());
    // Each newcomer prolongs it.
    harness.advance(Duration::from_secs(2));
    assert_eq!(harness.answer(first), None);
    harness.advance(Duration::from_secs(2));
    let sizes = harness.joined(first).members.len() + harness.joined(second).members.len();
    assert_eq!(sizes, 2);
}

#[test]
fn limits_are_kept() {
    let settings = Settings {
        max_group_size: 1,
        max_groups: 1,
        ..Settings::default()
    };
    let mut harness = Harness::new(settings, 1);
    let who = harness.lone_member(None);
    let refused = |harness: &mut Harness, join: Join| {
        let ticket = harness.join_with(join);
        harness.refused(ticket).0
    };
    let request = || join_request(&Who::default());
    assert_eq!(refused(&mut harness, request()), Error::GroupMaxSizeReached);
    let other = Join {
        group: "h".into(),
        ..request()
    };
    assert_eq!(refused(&mut harness, other), Error::TooManyGroups);
    let nameless = Join {
        group: "".into(),
        ..request()
    };
    assert_eq!(refused(&mut harness, nameless), Error::InvalidGroupId);
    for seconds in [5, 1801] {
        let join = Join {
            session_timeout: Duration::from_secs(seconds),
            ..request()
        };
        assert_eq!(refused(&mut harness, join), Error::InvalidSessionTimeout);
    }
    let huge = vec![("range".into(), Bytes::from(vec![0; 300 << 10]))];
    let join = Join {
        protocols: huge,
        ..join_request(&who)
    };
    assert_eq!(
        refused(&mut harness, join),
        Error::InconsistentGroupProtocol
    );
}

#[test]
fn a_client_that_never_comes_back_with_its_id_leaves_nothing() {
    let mut harness = Harness::default();
    let ticket = harness.join(&Who::default());
    assert_eq!(harness.refused(ticket).0, Error::MemberIdRequired);
    assert_eq!(state(&harness), "Empty");
    harness.advance(Duration::from_secs(11));
    assert_eq!(state(&harness), "Dead");
    assert_eq!(harness.coordinator.next_deadline(), None);
}

#[test]
fn a_rebalance_waits_for_those_who_are_about_to_come() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    let mut second = Who::default();
    let ticket = harness.join(&second);
    second.member = harness.refused(ticket).1;
    let first = harness.join(&who);
    assert_eq!(harness.answer(first), None);
    let ticket = harness.join(&second);
    assert_eq!(harness.joined(first).members.len(), 2);
    let generation = harness.joined(ticket).generation;
    harness.sync(
        &Who {
            generation,
            ..who.clone()
        },
        &[],
    );
    // But not for longer than their session.
    let third = harness.join(&Who::default());
    assert_eq!(harness.refused(third).0, Error::MemberIdRequired);
    let tickets = [harness.join(&who), harness.join(&second)];
    assert_eq!(harness.answer(tickets[0]), None);
    harness.advance(Duration::from_secs(10));
    assert_eq!(harness.joined(tickets[0]).members.len(), 2);
}

#[test]
fn a_refused_join_leaves_no_group_behind() {
    let mut harness = Harness::default();
    let ticket = harness.join_with(Join {
        protocols: vec![],
        ..join_request(&Who::default())
    });
    assert_eq!(harness.refused(ticket).0, Error::InconsistentGroupProtocol);
    assert_eq!(harness.coordinator.list().count(), 0);
}

#[test]
fn who_joins_but_never_syncs_is_put_out() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(None);
    let second = harness.with_second(&mut first, None);
    let tickets = [harness.join(&first), harness.join(&second)];
    let generation = harness.joined(tickets[0]).generation;
    harness.joined(tickets[1]);
    let first = Who {
        generation,
        ..first
    };
    let second = Who {
        generation,
        ..second
    };
    // The leader is silent; the follower waits.
    let waiting = harness.sync(&second, &[]);
    for _ in 0..6 {
        harness.advance(Duration::from_secs(9));
        let _ = harness.heartbeat(&first);
    }
    harness.advance(Duration::from_secs(7));
    assert_eq!(harness.synced(waiting), Err(Error::RebalanceInProgress));
    assert_eq!(harness.heartbeat(&first), Err(Error::UnknownMemberId));
}

#[test]
fn what_groups_take_is_bounded_and_given_back() {
    let settings = Settings {
        max_memory: 10_000,
        ..Settings::default()
    };
    let mut harness = Harness::new(settings, 1);
    let who = harness.lone_member(None);
    let at = TopicPartition::new("t0", 0);
    let commit = |harness: &mut Harness, who: &Who, metadata: usize| {
        let mut commit = Harness::commit_request(who, &at, 1);
        let more = NewOffset {
            metadata: "m".repeat(metadata).into(),
            ..commit.offsets.remove(0)
        };
        let at = |partition| TopicPartition::new("t0", partition);
        let all = (0..4).map(|partition| NewOffset {
            at: at(partition),
            ..more.clone()
        });
        commit.offsets = all.collect();
        harness.call(|it, outside| it.commit(outside, commit))
    };
    assert_eq!(commit(&mut harness, &who, 4000), Err(Error::TooManyGroups));
    assert_eq!(commit(&mut harness, &who, 2000).map(|it| it.len()), Ok(4));
    let big = |who: &Who| Join {
        protocols: vec![("range".into(), Bytes::from(vec![0; 2000]))],
        ..join_request(who)
    };
    let ticket = harness.join_with(Join {
        group: "h".into(),
        ..big(&Who::default())
    });
    assert_eq!(harness.refused(ticket).0, Error::TooManyGroups);
    let ticket = harness.join_with(big(&who));
    assert_eq!(harness.refused(ticket).0, Error::TooManyGroups);
    // The same in the place of what was: smaller ones.
    harness.leave(&who).unwrap();
    harness
        .call(|it, outside| it.delete(outside, &"g".into()))
        .unwrap();
    let ticket = harness.join_with(Join {
        version: 3,
        group: "h".into(),
        ..big(&Who::default())
    });
    assert_eq!(harness.joined(ticket).generation, 1);
}

/// What a client may call itself, as the protocol has it.
fn endless() -> Client {
    Client {
        id: "c".repeat(30_000).into(),
        host: "h".into(),
    }
}

#[test]
fn who_was_given_an_id_and_does_not_come_again_weighs_what_it_takes() {
    let max_memory = 100_000;
    let settings = Settings {
        max_memory,
        ..Settings::default()
    };
    let mut harness = Harness::new(settings, 1);
    let mut given = Vec::new();
    loop {
        let ticket = harness.join_with(Join {
            client: endless(),
            ..join_request(&Who::default())
        });
        match harness.refused(ticket) {
            (Error::MemberIdRequired, id) => given.push(id),
            (error, _) => break assert_eq!(error, Error::TooManyGroups),
        }
    }
    assert!(given.iter().all(|id| id.as_str().len() <= MAX_ID_LENGTH));
    let taken: usize = given.iter().map(|id| id.as_str().len()).sum();
    assert!((max_memory / 4..max_memory).contains(&taken), "{taken}");
}

#[test]
fn a_name_that_a_client_has_for_itself_weighs_what_it_takes() {
    let settings = Settings {
        max_memory: 200_000,
        ..Settings::default()
    };
    let mut harness = Harness::new(settings, 1);
    let join = |harness: &mut Harness, member: usize| {
        harness.consumer_heartbeat(Heartbeat {
            client: endless(),
            ..beat(&format!("m{member}"), 0, &[])
        })
    };
    let refused = (0..100).find_map(|member| Some((member, join(&mut harness, member).err()?)));
    assert_eq!(refused, Some((6, Error::TooManyGroups)));
}
