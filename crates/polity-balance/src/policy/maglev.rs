//! Consistent hashing by a table that is filled in turns (Eisenbud et al., NSDI 2016, section 3.4).

use polity_core::{Rng, SplitMix64};

use super::consistent_hash::seeds;
use crate::endpoint::Endpoint;

#[cfg(test)]
#[path = "maglev_tests.rs"]
mod tests;

/// Envoy's.
const MAX_SIZE: u32 = 5_000_011;
/// A slot that is nobody's yet.
const FREE: u32 = u32::MAX;

/// How the table is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Maglev {
    /// Slots of the table, or the next prime, up to 5,000,011; 4 bytes each. A hundred for each endpoint
    /// keep shares even to one part in a hundred; without one of its own an endpoint is given no keys.
    pub slots: u32,
    /// The most requests in flight at an endpoint, as for a [`Ring`](super::Ring).
    pub bound: Option<f32>,
}

impl Default for Maglev {
    fn default() -> Self {
        Self {
            // The paper's smaller size.
            slots: 65_537,
            bound: None,
        }
    }
}

/// The table: whose the slots are.
#[derive(Debug)]
pub(crate) struct Table(Box<[u32]>);

impl Table {
    pub(crate) fn new<'a>(
        maglev: Maglev,
        endpoints: impl Iterator<Item = &'a Endpoint> + Clone,
    ) -> Self {
        let size = prime(maglev.slots);
        let weights = endpoints.clone().map(Endpoint::weight);
        let mut turns: Vec<Turns> = seeds(endpoints)
            .zip(weights)
            .enumerate()
            .map(|(place, (seed, weight))| Turns::new(place, seed, weight, size))
            .collect();
        if turns.is_empty() {
            return Self([].into());
        }
        // Whatever order endpoints are told in, all balancers have the same table.
        turns.sort_by_key(|it| it.seed);
        Self(fill(&mut turns, size).into())
    }

    /// The places that `key` goes to, in this order: its slot's, and then those of slots it is hashed on
    /// to, so the keys of an endpoint that is out are spread over all others.
    #[inline]
    pub(crate) fn from(&self, key: u64) -> impl Iterator<Item = usize> + Clone {
        let mut numbers = SplitMix64::new(key);
        let slots = &self.0;
        std::iter::from_fn(move || slots.get(numbers.below(slots.len())))
            .map(|place| *place as usize)
    }
}

fn fill(turns: &mut [Turns], size: u32) -> Vec<u32> {
    let heaviest = turns.iter().map(|it| it.weight).max().unwrap_or(1);
    let mut slots = vec![FREE; size as usize];
    let mut free = size;
    for round in 1.. {
        for turns in &mut *turns {
            // As Envoy does: the heaviest has a turn in each round, one of half its weight in every other.
            if round * turns.weight < turns.due {
                continue;
            }
            turns.due += heaviest;
            turns.take(&mut slots);
            free -= 1;
            if free == 0 {
                return slots;
            }
        }
    }
    slots
}

/// An endpoint's turns: the slots it wants, in its own order, and when.
struct Turns {
    seed: u64,
    place: u32,
    weight: u64,
    due: u64,
    next: u32,
    skip: u32,
}

impl Turns {
    fn new(place: usize, seed: u64, weight: u32, size: u32) -> Self {
        let mut numbers = SplitMix64::new(seed);
        let mut below = |bound: u32| numbers.below(bound as usize) as u32;
        Self {
            seed,
            place: place as u32,
            weight: u64::from(weight),
            due: 0,
            next: below(size),
            skip: 1 + below(size - 1),
        }
    }

    /// Takes the slot it wants most, of those that are free; there must be one.
    fn take(&mut self, slots: &mut [u32]) {
        // The size is a prime, so that steps of any length meet every slot.
        let size = slots.len() as u32;
        loop {
            let slot = &mut slots[self.next as usize];
            self.next = match self.next + self.skip {
                next if next >= size => next - size,
                next => next,
            };
            if *slot == FREE {
                *slot = self.place;
                return;
            }
        }
    }
}

/// The first from `size` on.
fn prime(size: u32) -> u32 {
    let is_prime = |number: &u32| {
        (2..)
            .take_while(|divisor| divisor * divisor <= *number)
            .all(|divisor| !number.is_multiple_of(divisor))
    };
    (size.max(2)..MAX_SIZE).find(is_prime).unwrap_or(MAX_SIZE)
}
