//! Uniform: members keep what they have as far as it is fair; the rest goes to those with least.
//!
//! Fair is that no partition could go from one member to another who subscribes to its topic and has
//! at least two less. Where all subscribe to the same, that is a difference of one at most.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Subscriber;
use crate::group::consumer::assignment::{Assignment, collect, each};

/// Who of the subscribers may have the partitions of a topic, and the loads of all.
struct Work<'a> {
    takers: BTreeMap<Uuid, Vec<usize>>,
    topics: &'a BTreeMap<Uuid, i32>,
    owned: Vec<BTreeSet<(Uuid, i32)>>,
}

pub(super) fn assign(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Vec<Assignment> {
    let mut work = Work {
        takers: BTreeMap::new(),
        topics,
        owned: vec![BTreeSet::new(); subscribers.len()],
    };
    for (at, subscriber) in subscribers.iter().enumerate() {
        for topic in &subscriber.topics {
            work.takers.entry(*topic).or_default().push(at);
        }
    }
    let left = work.keep(subscribers);
    work.give(left);
    work.balance();
    let owned = work.owned.into_iter();
    owned.map(|owned| collect(owned.into_iter())).collect()
}

impl Work<'_> {
    /// Everyone keeps what they have and may have. What is left is nobody's.
    fn keep(&mut self, subscribers: &[Subscriber]) -> Vec<(Uuid, i32)> {
        let mut taken = BTreeSet::new();
        for (owned, subscriber) in self.owned.iter_mut().zip(subscribers) {
            let exists = |(topic, partition): &(Uuid, i32)| {
                let count = self.topics.get(topic);
                count.is_some_and(|count| (0..*count).contains(partition))
            };
            let may = |at: &(Uuid, i32)| subscriber.topics.contains(&at.0) && exists(at);
            owned.extend(
                each(&subscriber.has)
                    .filter(may)
                    .filter(|at| taken.insert(*at)),
            );
        }
        let all = self.takers.keys().flat_map(|topic| {
            let count = self.topics.get(topic).copied().unwrap_or(0);
            (0..count).map(|partition| (*topic, partition))
        });
        let mut left: Vec<_> = all.filter(|at| !taken.contains(at)).collect();
        // Where there is least choice first, so that the others can make up for it.
        left.sort_by_key(|(topic, _)| self.takers.get(topic).map_or(0, Vec::len));
        left
    }

    fn load(&self, at: usize) -> usize {
        self.owned[at].len()
    }

    fn give(&mut self, left: Vec<(Uuid, i32)>) {
        for at in left {
            let takers = self.takers.get(&at.0).map_or(&[][..], Vec::as_slice);
            if let Some(least) = takers.iter().copied().min_by_key(|it| self.load(*it)) {
                self.owned[least].insert(at);
            }
        }
    }

    /// Moves partitions as long as that makes it fairer. Each move makes the sum of the squares of the
    /// loads smaller, so there is an end to it.
    fn balance(&mut self) {
        let topics: Vec<Uuid> = self.takers.keys().copied().collect();
        loop {
            let moved = topics
                .iter()
                .filter(|topic| self.balance_topic(**topic))
                .count();
            if moved == 0 {
                return;
            }
        }
    }

    fn balance_topic(&mut self, topic: Uuid) -> bool {
        let takers = self.takers.get(&topic).cloned().unwrap_or_default();
        let mut moved = false;
        loop {
            let least = takers.iter().copied().min_by_key(|it| self.load(*it));
            let one_of = |it: usize| {
                let whole = (topic, i32::MIN)..=(topic, i32::MAX);
                self.owned[it].range(whole).next_back().copied()
            };
            let with_one = takers.iter().filter_map(|it| Some((*it, one_of(*it)?)));
            let most = with_one.max_by_key(|(it, _)| self.load(*it));
            let (Some(least), Some((most, at))) = (least, most) else {
                return moved;
            };
            if self.load(most) < self.load(least) + 2 {
                return moved;
            }
            self.owned[most].remove(&at);
            self.owned[least].insert(at);
            moved = true;
        }
    }
}
