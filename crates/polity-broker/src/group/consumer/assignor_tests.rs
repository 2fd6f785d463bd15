//! Assignments over random groups: complete, exclusive, fair, and with few moves.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::group::consumer::assignment::{each, has};

fn topic(number: u8) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

fn subscribers(all: &[BTreeSet<u8>], topics: &BTreeMap<Uuid, i32>) -> Vec<Subscriber> {
    let subscriber = |(at, numbers): (usize, &BTreeSet<u8>)| Subscriber {
        key: format!("m{at:02}").into(),
        topics: numbers
            .iter()
            .map(|it| topic(*it))
            .filter(|it| topics.contains_key(it))
            .collect(),
        has: Arc::default(),
    };
    all.iter().enumerate().map(subscriber).collect()
}

/// Every partition of a topic subscribed to belongs to exactly one who subscribes to it.
fn check_complete(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>, all: &[Assignment]) {
    let mut seen = BTreeSet::new();
    for (subscriber, assignment) in subscribers.iter().zip(all) {
        for at in each(assignment) {
            assert!(subscriber.topics.contains(&at.0), "not subscribed to");
            assert!(seen.insert(at), "assigned twice");
        }
        assert!(assignment.values().all(|partitions| !partitions.is_empty()));
    }
    let wanted: BTreeSet<Uuid> = subscribers
        .iter()
        .flat_map(|it| it.topics.clone())
        .collect();
    let expected: BTreeSet<(Uuid, i32)> = wanted
        .iter()
        .flat_map(|topic| (0..topics[topic]).map(|partition| (*topic, partition)))
        .collect();
    assert_eq!(seen, expected);
}

fn load(assignment: &Assignment) -> usize {
    each(assignment).count()
}

fn moves(before: &[Assignment], after: &[Assignment]) -> usize {
    let stays = |(before, after): (&Assignment, &Assignment)| {
        each(before).filter(|at| has(after, *at)).count()
    };
    let kept: usize = before.iter().zip(after).map(stays).sum();
    before.iter().map(load).sum::<usize>() - kept
}

prop_compose! {
    fn group()(
        sizes in btree_map(0..5u8, 0..9i32, 0..5),
        wishes in vec(btree_set(0..5u8, 0..5), 1..9),
    ) -> (BTreeMap<Uuid, i32>, Vec<BTreeSet<u8>>) {
        (sizes.into_iter().map(|(number, size)| (topic(number), size)).collect(), wishes)
    }
}

proptest! {
    #[test]
    fn assignments_are_complete_and_exclusive((topics, wishes) in group()) {
        let subscribers = subscribers(&wishes, &topics);
        for assignor in [Assignor::Uniform, Assignor::Range] {
            let all = assignor.assign(&subscribers, &topics);
            check_complete(&subscribers, &topics, &all);
        }
    }

    #[test]
    fn uniform_is_fair((topics, wishes) in group(), before in group()) {
        let mut subscribers = subscribers(&wishes, &topics);
        // Whatever they had before, valid or not.
        let old = super::uniform::assign(&self::subscribers(&before.1, &before.0), &before.0);
        for (subscriber, old) in subscribers.iter_mut().zip(old) {
            subscriber.has = Arc::new(old);
        }
        let all = Assignor::Uniform.assign(&subscribers, &topics);
        check_complete(&subscribers, &topics, &all);
        for (at, assignment) in all.iter().enumerate() {
            for (topic, _) in each(assignment) {
                let takers = subscribers.iter().zip(&all).filter(|(it, _)| it.topics.contains(&topic));
                let least = takers.map(|(_, assignment)| load(assignment)).min().unwrap();
                prop_assert!(load(assignment) <= least + 1, "{at} could give to another");
            }
        }
    }

    #[test]
    fn uniform_moves_no_more_than_it_must(sizes in btree_map(0..5u8, 1..9i32, 1..5), members in 1..8usize, comes in any::<bool>()) {
        let topics: BTreeMap<Uuid, i32> = sizes.iter().map(|(number, size)| (topic(*number), *size)).collect();
        let wish: BTreeSet<u8> = sizes.keys().copied().collect();
        let mut group = subscribers(&vec![wish.clone(); members], &topics);
        let mut before = Assignor::Uniform.assign(&group, &topics);
        for (subscriber, has) in group.iter_mut().zip(&before) {
            subscriber.has = Arc::new(has.clone());
        }
        prop_assert_eq!(&Assignor::Uniform.assign(&group, &topics), &before, "nothing has changed");
        let total: usize = before.iter().map(load).sum();
        let necessary = if comes {
            group.push(subscribers(&vec![wish; members + 1], &topics).pop().unwrap());
            before.push(Assignment::new());
            total / (members + 1)
        } else {
            group.pop();
            load(&before.pop().unwrap())
        };
        let after = Assignor::Uniform.assign(&group, &topics);
        let moved = moves(&before, &after) + if comes || members == 1 { 0 } else { necessary };
        prop_assert!(moved <= necessary, "{moved} moved, {necessary} had to");
    }

    #[test]
    fn range_gives_the_same_numbers_of_all_topics_to_the_same_member(size in 1..20i32, members in 1..7usize) {
        let topics: BTreeMap<Uuid, i32> = [(topic(0), size), (topic(1), size)].into();
        let group = subscribers(&vec![[0, 1].into(); members], &topics);
        let all = Assignor::Range.assign(&group, &topics);
        let mut next = 0;
        for assignment in &all {
            let first: Vec<i32> = assignment.get(&topic(0)).into_iter().flatten().copied().collect();
            let second: Vec<i32> = assignment.get(&topic(1)).into_iter().flatten().copied().collect();
            prop_assert_eq!(&first, &second);
            let expected: Vec<i32> = (next..).take(first.len()).collect();
            prop_assert_eq!(&first, &expected);
            next += first.len() as i32;
        }
        let sizes: Vec<usize> = all.iter().map(load).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 2);
    }
}

#[test]
fn most_wishes_choose_the_assignor() {
    let preferred = |wishes: &[Option<&str>]| Assignor::preferred(wishes.iter().copied());
    assert_eq!(preferred(&[]), Assignor::Uniform);
    assert_eq!(preferred(&[None, Some("range")]), Assignor::Range);
    assert_eq!(
        preferred(&[Some("uniform"), Some("range")]),
        Assignor::Uniform
    );
}
