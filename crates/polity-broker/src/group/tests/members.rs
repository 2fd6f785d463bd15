//! Who may speak for a group: heartbeats, syncs and departures of the right and of the wrong.
#![allow(clippy::unwrap_used)]

use super::harness::*;
use crate::group::*;

#[test]
fn a_stranger_and_an_old_generation_are_told_apart() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    let stranger = Who {
        member: "x".into(),
        ..who.clone()
    };
    let old = Who {
        generation: 0,
        ..who.clone()
    };
    assert_eq!(harness.heartbeat(&stranger), Err(Error::UnknownMemberId));
    assert_eq!(harness.heartbeat(&old), Err(Error::IllegalGeneration));
    let ticket = harness.sync(&old, &[]);
    assert_eq!(harness.synced(ticket), Err(Error::IllegalGeneration));
    let ticket = harness.join(&stranger);
    assert_eq!(
        harness.refused(ticket),
        (Error::UnknownMemberId, "x".into())
    );
    assert_eq!(harness.leave(&stranger), Err(Error::UnknownMemberId));
}

#[test]
fn a_sync_of_another_protocol_is_refused() {
    let mut harness = Harness::default();
    let who = harness.lone_member(None);
    let ticket = harness.ticket();
    let sync = Sync {
        group: "g".into(),
        member: who.member.clone(),
        instance: None,
        generation: who.generation,
        protocol_type: Some("consumer".into()),
        protocol: Some("other".into()),
        assignments: Vec::new(),
    };
    harness.call(|it, outside| it.sync(outside, ticket, sync));
    assert_eq!(
        harness.synced(ticket),
        Err(Error::InconsistentGroupProtocol)
    );
}

#[test]
fn a_group_that_is_not_has_no_members() {
    let mut harness = Harness::default();
    let who = Who {
        member: "m".into(),
        generation: 1,
        ..Who::default()
    };
    assert_eq!(harness.heartbeat(&who), Err(Error::UnknownMemberId));
    assert_eq!(harness.leave(&who), Err(Error::UnknownMemberId));
    let ticket = harness.sync(&who, &[]);
    assert_eq!(harness.synced(ticket), Err(Error::UnknownMemberId));
    let ticket = harness.join(&who);
    assert_eq!(harness.refused(ticket).0, Error::UnknownMemberId);
}

#[test]
fn several_leave_at_once_and_each_hears_its_own() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(Some("i1"));
    let second = harness.with_second(&mut first, Some("i2"));
    let leaving = |member: &MemberId, instance: Option<&str>| Leaving {
        member: member.clone(),
        instance: instance.map(InstanceId::from),
    };
    let none = MemberId::default();
    let all = [
        leaving(&none, Some("i1")),
        leaving(&first.member, Some("i2")),
        leaving(&none, Some("i3")),
        leaving(&second.member, Some("i2")),
    ];
    let results = harness.call(|it, outside| it.leave(outside, &"g".into(), &all));
    let expected = [
        Ok(()),
        Err(Error::FencedInstanceId),
        Err(Error::UnknownMemberId),
        Ok(()),
    ];
    assert_eq!(results, Ok(expected.to_vec()));
    assert_eq!(
        harness.coordinator.describe(&"g".into()).unwrap().state,
        "Empty"
    );
}

#[test]
fn a_member_that_waits_hears_that_it_was_put_out() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(None);
    let second = harness.with_second(&mut first, None);
    let ticket = harness.join_with(Join {
        protocols: vec![("range".into(), subscription("t1"))],
        ..join_request(&second)
    });
    assert_eq!(harness.leave(&second), Ok(()));
    assert_eq!(harness.refused(ticket).0, Error::UnknownMemberId);
}

#[test]
fn a_second_request_of_a_member_takes_the_place_of_the_first() {
    let mut harness = Harness::default();
    let mut first = harness.lone_member(None);
    let _second = harness.with_second(&mut first, None);
    let before = harness.join(&first);
    let after = harness.join(&first);
    assert_eq!(harness.refused(before).0, Error::RebalanceInProgress);
    assert_eq!(harness.answer(after), None);
}

#[test]
fn a_stable_group_is_described_with_what_members_have() {
    let mut harness = Harness::default();
    let who = harness.lone_member(Some("i"));
    let group = harness.coordinator.describe(&"g".into()).unwrap();
    assert_eq!((group.state, group.protocol.as_str()), ("Stable", "range"));
    assert_eq!(group.members[0].assignment, "all");
    assert_eq!(group.members[0].metadata, subscription("t0"));
    let listed: Vec<_> = harness.coordinator.list().collect();
    assert_eq!(
        (listed[0].state, listed[0].group_type),
        ("Stable", GroupType::Classic)
    );
    harness.leave(&who).unwrap();
    let group = harness.coordinator.describe(&"g".into()).unwrap();
    assert_eq!(
        (group.state, group.protocol.as_str(), group.members.len()),
        ("Empty", "", 0)
    );
}
