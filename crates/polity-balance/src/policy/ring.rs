//! Consistent hashing on a ring (Karger et al., STOC 1997), with as many points as libketama's.

use polity_core::{Rng, SplitMix64};

use super::consistent_hash::seeds;
use crate::endpoint::Endpoint;

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;

/// Of all endpoints together: 8 MiB. Beyond 4,096 endpoints each has fewer points than it should.
const MAX_POINTS: usize = 1 << 20;
/// Points in one of the parts that a search is spared, on average: half a cache line of them.
const POINTS_PER_PART: usize = 4;

/// How a ring is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ring {
    /// Points on the ring of an endpoint of mean weight; at least 1. Shares are off by about one part in
    /// the root of it, and a ring takes 9 bytes for each.
    pub points: u16,
    /// The most requests in flight at an endpoint, beside the mean for its weight (Mirrokni, Thorup,
    /// Zadimoghaddam, SODA 2018): those over it go to the next. 1.25 is usual, 1 is the least; none for no
    /// bound.
    pub bound: Option<f32>,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            points: 256,
            bound: None,
        }
    }
}

/// The ring: from each point on, clockwise, keys are its endpoint's up to the point.
#[derive(Debug)]
pub(crate) struct Points {
    /// The position in the upper half, the place of the endpoint in the lower; sorted.
    points: Box<[u64]>,
    /// For each of equal parts of the ring, a power of two of them, its first point.
    parts: Box<[u32]>,
}

impl Points {
    pub(crate) fn new<'a>(
        ring: Ring,
        endpoints: impl ExactSizeIterator<Item = &'a Endpoint> + Clone,
    ) -> Self {
        let weights = endpoints.clone().map(|it| f64::from(it.weight()));
        let room = MAX_POINTS / endpoints.len().max(1);
        let points = usize::from(ring.points).min(room).max(1);
        // By the mean weight, not the least or greatest: then as good as no key of others moves when an
        // endpoint comes or goes, as the others' numbers of points stay about the same.
        let per_weight = (points * endpoints.len()) as f64 / weights.sum::<f64>();
        let seeds = seeds(endpoints.clone());
        let of = |((place, endpoint), seed): ((usize, &Endpoint), u64)| {
            let count = (per_weight * f64::from(endpoint.weight())).round() as usize;
            let seed = SplitMix64::new(seed).next_u64();
            let mut numbers = SplitMix64::new(seed);
            (0..count.max(1)).map(move |_| point(numbers.next_u64(), place))
        };
        let mut points: Box<[u64]> = endpoints.enumerate().zip(seeds).flat_map(of).collect();
        points.sort_unstable();
        Self {
            parts: parts(&points),
            points,
        }
    }

    /// The places that `key` goes to, in this order, round the ring. Places that stand close to each other
    /// come up again and again.
    #[inline]
    pub(crate) fn from(&self, key: u64) -> impl Iterator<Item = usize> + Clone {
        let part = key >> (64 - self.parts.len().ilog2());
        let first = self.parts.get(part as usize).map_or(0, |it| *it as usize);
        let ahead = self.points.get(first..).unwrap_or_default();
        let target = point(key, 0);
        let before = ahead.iter().take_while(|it| **it < target).count();
        let (behind, ahead) = self.points.split_at(first + before);
        ahead.iter().chain(behind).map(|it| *it as u32 as usize)
    }
}

fn point(hash: u64, place: usize) -> u64 {
    hash & !u64::from(u32::MAX) | place as u64
}

/// Two parts at least, so that the bits to cut off a key are less than all.
fn parts(points: &[u64]) -> Box<[u32]> {
    let count = (points.len() / POINTS_PER_PART).max(2).next_power_of_two();
    let mut first = 0;
    let part = |number: usize| {
        let start = (number as u64) << (64 - count.ilog2());
        first += points[first..].iter().take_while(|it| **it < start).count();
        first as u32
    };
    (0..count).map(part).collect()
}
