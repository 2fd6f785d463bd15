//! What endpoints said lately when they were asked how busy they are.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::Moment;

#[cfg(test)]
#[path = "probes_tests.rs"]
mod tests;

/// Answers that are kept. More would be older on average, and the best of so many is nearly the best of
/// all (Prequal, section 4.1).
const KEPT: usize = 16;
/// The age from which an answer says nothing of now.
const MAX_AGE: Duration = Duration::from_secs(1);
/// With fewer answers there is nothing to choose.
const ENOUGH: usize = 2;
/// Of what is known of requests in flight, the part above which an endpoint is hot.
const HOT_QUANTILE: f32 = 0.84;

/// What an endpoint answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeAnswer {
    /// Requests it is working on or that wait there, whoever sent them.
    pub in_flight: u32,
    /// What its answers take about now.
    pub latency: Duration,
}

/// A pool of answers, used up by choices (Prequal: Wydrowski, Kleinberg, Rumble, Archer, NSDI 2024).
#[derive(Debug)]
pub(crate) struct Probes {
    slots: [Slot; KEPT],
    /// The requests in flight above which an endpoint is hot.
    hot_above: AtomicU32,
}

/// One answer. Its two words may be of two answers while they are written: a choice made by that is a
/// little worse, and no more.
#[derive(Debug)]
struct Slot {
    /// The place of the endpoint, and its requests in flight.
    load: AtomicU64,
    /// The latency in milliseconds as the bits of an `f32`, and the moment.
    latency: AtomicU64,
}

const EMPTY: u64 = u64::MAX;

#[derive(Debug, Clone, Copy)]
struct Answer {
    place: usize,
    in_flight: u32,
    latency: f32,
    age: u32,
}

impl Default for Probes {
    fn default() -> Self {
        let slot = || Slot {
            load: AtomicU64::new(EMPTY),
            latency: AtomicU64::new(0),
        };
        Self {
            slots: std::array::from_fn(|_| slot()),
            hot_above: AtomicU32::new(0),
        }
    }
}

impl Probes {
    /// Keeps an answer, in the place of what was known of the endpoint, or of the oldest.
    pub(crate) fn keep(&self, place: usize, answer: &ProbeAnswer, now: Moment) {
        let worth = |slot: &&Slot| match slot.read(now) {
            Some(known) if known.place == place => None,
            Some(known) => Some(u32::MAX - known.age),
            None => Some(0),
        };
        if let Some(slot) = self.slots.iter().min_by_key(worth) {
            slot.write(place, answer, now);
        }
        self.hot_above.store(self.quantile(now), Ordering::Relaxed);
    }

    /// The place to send a request to, out of those that `admits`: the fastest that is not hot, or if all
    /// are, the least busy. None if too little is known. The answer is used up: what it said is no longer
    /// so.
    pub(crate) fn take(&self, now: Moment, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let hot_above = self.hot_above.load(Ordering::Relaxed);
        let mut best: Option<(&Slot, Answer)> = None;
        let mut known = 0;
        for slot in &self.slots {
            let Some(answer) = slot.read(now) else {
                continue;
            };
            known += 1;
            let better = best
                .as_ref()
                .is_none_or(|(_, best)| answer.is_better_than(best, hot_above));
            if better && admits(answer.place) {
                best = Some((slot, answer));
            }
        }
        // The last that is left is what nobody wanted.
        let (slot, answer) = best.filter(|_| known >= ENOUGH)?;
        slot.load.store(EMPTY, Ordering::Relaxed);
        Some(answer.place)
    }

    fn quantile(&self, now: Moment) -> u32 {
        let mut loads = [0; KEPT];
        let answers = self.slots.iter().filter_map(|slot| slot.read(now));
        let count = loads
            .iter_mut()
            .zip(answers)
            .map(|(load, answer)| *load = answer.in_flight)
            .count();
        let known = &mut loads[..count];
        known.sort_unstable();
        // Of two the busier is hot: with few endpoints no other quantile says anything.
        let rank = (count.saturating_sub(1) as f32 * HOT_QUANTILE) as usize;
        known.get(rank).copied().unwrap_or(0)
    }
}

impl Slot {
    fn read(&self, now: Moment) -> Option<Answer> {
        let load = self.load.load(Ordering::Relaxed);
        if load == EMPTY {
            return None;
        }
        let latency = self.latency.load(Ordering::Relaxed);
        let age = (now.0 as u32).wrapping_sub(latency as u32);
        (u128::from(age) <= MAX_AGE.as_millis()).then(|| Answer {
            place: (load >> 32) as usize,
            in_flight: load as u32,
            latency: f32::from_bits((latency >> 32) as u32),
            age,
        })
    }

    fn write(&self, place: usize, answer: &ProbeAnswer, now: Moment) {
        let latency = answer.latency.as_secs_f32() * 1_000.0;
        let latency = u64::from(latency.to_bits()) << 32 | u64::from(now.0 as u32);
        self.latency.store(latency, Ordering::Relaxed);
        let load = (place as u64) << 32 | u64::from(answer.in_flight);
        self.load.store(load, Ordering::Relaxed);
    }
}

impl Answer {
    fn is_better_than(&self, other: &Self, hot_above: u32) -> bool {
        match (self.in_flight > hot_above, other.in_flight > hot_above) {
            (false, true) => true,
            (true, false) => false,
            (false, false) => self.latency < other.latency,
            (true, true) => self.in_flight < other.in_flight,
        }
    }
}
