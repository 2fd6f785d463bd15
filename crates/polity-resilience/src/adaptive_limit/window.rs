//! What was measured since the last look, as it is noted: each measurement in one word, by one instruction.

use std::time::Duration;

use super::profile::LEVELS;

/// Requests found waiting, in the lower bits of a sample: latency above them orders samples.
const POSITION_BITS: u32 = 24;
/// Microseconds, in the lower bits of a tally: half a year.
const SUM_BITS: u32 = 44;

/// One request: how long it took, and how many waited when it came, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) latency: Duration,
    pub(super) position: u64,
}

/// Several requests: how many, and how long they took together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) sum: Duration,
}

/// One level's requests: the least, and those that took longer than the target.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) least: Option<Sample>,
    pub(super) slow: Tally,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) levels: [Seen; LEVELS],
    pub(super) refused: u64,
}

impl Sample {
    /// None, packed: more than any.
    pub(super) const NONE: u64 = u64::MAX;

    pub(super) fn pack(self) -> u64 {
        let most = (1 << (64 - POSITION_BITS)) - 2;
        let micros = (self.latency.as_micros() as u64).min(most);
        micros << POSITION_BITS | self.position.min((1 << POSITION_BITS) - 1)
    }

    pub(super) fn unpack(packed: u64) -> Option<Self> {
        (packed != Self::NONE).then_some(Self {
            latency: Duration::from_micros(packed >> POSITION_BITS),
            position: packed & ((1 << POSITION_BITS) - 1),
        })
    }
}

impl Tally {
    /// What one request adds to a packed tally.
    pub(super) fn of(latency: Duration) -> u64 {
        // A window is too short for the sum, or the count, to grow beyond its bits.
        let micros = (latency.as_micros() as u64).min((1 << (SUM_BITS - 20)) - 1);
        1 << SUM_BITS | micros
    }

    pub(super) fn unpack(packed: u64) -> Self {
        Self {
            count: packed >> SUM_BITS,
            sum: Duration::from_micros(packed & ((1 << SUM_BITS) - 1)),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
    }

    pub(super) fn mean(&self) -> Option<Duration> {
        let count = u32::try_from(self.count).ok().filter(|count| *count > 0)?;
        Some(self.sum / count)
    }
}

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        let both = self.least.into_iter().chain(other.least);
        self.least = both.min_by_key(|sample| sample.latency);
        self.slow.add(other.slow);
    }
}

impl Window {
    /// All levels together.
    pub(super) fn total(&self) -> Seen {
        let mut total = Seen::default();
        self.levels.iter().for_each(|level| total.add(*level));
        total
    }
}
