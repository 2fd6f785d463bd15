//! What is going to happen, in the order it will.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Events by the virtual time they happen at; those of one moment in the order they were said.
#[derive(Debug)]
pub(super) struct Timeline<E> {
    /// Since the beginning of the simulation.
    now: Duration,
    said: u64,
    sorted: BinaryHeap<Reverse<Entry<E>>>,
    lanes: [Lane<E>; LANES],
}

const LANES: usize = 2;

/// Events that all happen the same time after they are said happen in the order they are said: most
/// are of such a kind, and need no sorting.
#[derive(Debug)]
struct Lane<E> {
    delay: Duration,
    entries: VecDeque<Entry<E>>,
}

#[derive(Debug)]
struct Entry<E> {
    /// In nanoseconds: compared many times for each event.
    at: u64,
    place: u64,
    event: E,
}

impl<E> Timeline<E> {
    /// A timeline on which nothing is going to happen. `delays` are those of the lanes, by number.
    pub(super) fn new(delays: [Duration; LANES]) -> Self {
        Self {
            now: Duration::ZERO,
            said: 0,
            sorted: BinaryHeap::new(),
            lanes: delays.map(|delay| Lane {
                delay,
                entries: VecDeque::new(),
            }),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// Has `event` happen at `at`, or now if that has passed.
    pub(super) fn at(&mut self, at: Duration, event: E) {
        let entry = self.entry(at.max(self.now), event);
        self.sorted.push(Reverse(entry));
    }

    /// Has `event` happen when the delay of lane number `lane` has passed.
    pub(super) fn after_lane(&mut self, lane: usize, event: E) {
        let entry = self.entry(self.now + self.lanes[lane].delay, event);
        self.lanes[lane].entries.push_back(entry);
    }

    /// Goes on to the next event.
    pub(super) fn next(&mut self) -> Option<E> {
        let sorted = self.sorted.peek().map(|entry| entry.0.key());
        let lanes = self.lanes.iter().enumerate();
        let first = lanes
            .filter_map(|(lane, it)| Some((it.entries.front()?.key(), lane)))
            .min();
        let entry = match first {
            Some((key, lane)) if sorted.is_none_or(|sorted| key < sorted) => {
                self.lanes[lane].entries.pop_front()?
            }
            _ => self.sorted.pop()?.0,
        };
        self.now = Duration::from_nanos(entry.at);
        Some(entry.event)
    }

    fn entry(&mut self, at: Duration, event: E) -> Entry<E> {
        self.said += 1;
        Entry {
            at: at.as_secs() * 1_000_000_000 + u64::from(at.subsec_nanos()),
            place: self.said,
            event,
        }
    }
}

impl<E> Entry<E> {
    fn key(&self) -> (u64, u64) {
        (self.at, self.place)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_as_they_were_said() {
        let seconds = Duration::from_secs;
        let mut timeline = Timeline::new([seconds(2), seconds(5)]);
        timeline.after_lane(1, "fourth");
        timeline.at(seconds(2), "second");
        timeline.after_lane(0, "third");
        timeline.at(seconds(1), "first");
        for expected in ["first", "second", "third", "fourth"] {
            assert_eq!(timeline.next(), Some(expected));
        }
        assert_eq!(timeline.now(), seconds(5));
        timeline.at(seconds(1), "late");
        assert_eq!(
            (timeline.next(), timeline.now()),
            (Some("late"), seconds(5))
        );
        assert_eq!(timeline.next(), None);
    }
}
