//! Latency by load: the least that requests took that found so many waiting, for each power of two.

use std::time::{Duration, Instant};

use super::window::{Seen, Window};

/// Levels of load: a level is a power of two of requests waiting.
pub(super) const LEVELS: usize = 24;

/// How long a measurement is good for. A queue that fills more slowly is one that a deadline ends.
const MAX_AGE: Duration = Duration::from_secs(300);

/// How long the least is looked for before a new search begins.
const GENERATION: Duration = Duration::from_secs(10);

/// So many are enough to compare with however many.
const MANY: u64 = 256;

/// How much a level's latency must be above that of the level below, and above that two levels
/// below. In a queue it doubles, but levels are coarse and measurements are of any place in them.
const GROWTH: f64 = 1.3;
const GROWTH_OF_TWO: f64 = 2.5;

/// The latest measurements of each level. Not the least ever: a load that grows passes through every
/// level on its way, so what was measured under another mix of requests is replaced before it is
/// compared with. Nor just the last: on a level seldom visited, that may be the slowest of its time.
#[derive(Debug, Default)]
pub(super) struct Profile {
    levels: [Level; LEVELS],
}

/// The least of this search, and of the one before.
#[derive(Debug, Default, Clone, Copy)]
struct Level {
    current: Option<Measured>,
    previous: Option<Measured>,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    seen: Seen,
    began: Instant,
}

/// The level of a request that was the `position`th to wait.
pub(super) fn level(position: u64) -> usize {
    (position.max(1).ilog2() as usize).min(LEVELS - 1)
}

impl Profile {
    pub(super) fn note(&mut self, window: &Window, now: Instant) {
        for (level, seen) in self.levels.iter_mut().zip(&window.levels) {
            if seen.least.is_some() {
                level.note(*seen, now);
            }
        }
    }

    /// What requests took before they began to stand in line, if `standing` are those that stand in
    /// line: their latency must have grown with the load over the two levels below.
    pub(super) fn before_queue(&self, standing: &Seen, now: Instant) -> Option<Duration> {
        let least = standing.least?;
        let top = level(least.position);
        let (one_below, seen) = self.at(top.checked_sub(1)?, now)?;
        let (two_below, _) = self.at(top.checked_sub(2)?, now)?;
        let grows = one_below >= two_below.mul_f64(GROWTH)
            && least.latency >= one_below.mul_f64(GROWTH)
            && least.latency >= two_below.mul_f64(GROWTH_OF_TWO);
        // The least of few is more than the least of many, which is no growth.
        if !grows || standing.slow.count < seen.min(MANY) {
            return None;
        }
        let mut base = two_below;
        for below in (0..top - 2).rev() {
            match self.at(below, now) {
                Some((latency, _)) if latency.mul_f64(GROWTH) <= base => base = latency,
                _ => break,
            }
        }
        Some(base)
    }

    /// The least latency of a level, and of how many slow requests.
    fn at(&self, level: usize, now: Instant) -> Option<(Duration, u64)> {
        let Level { current, previous } = self.levels.get(level)?;
        let mut seen = Seen::default();
        let both = current.iter().chain(previous);
        both.filter(|it| now.saturating_duration_since(it.began) < MAX_AGE)
            .for_each(|it| seen.add(it.seen));
        Some((seen.least?.latency, seen.slow.count))
    }
}

impl Level {
    fn note(&mut self, seen: Seen, now: Instant) {
        match &mut self.current {
            Some(current) if now.saturating_duration_since(current.began) < GENERATION => {
                current.seen.add(seen);
            }
            current => self.previous = current.replace(Measured { seen, began: now }),
        }
    }
}
