//! A measured number that is worth less the older it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::Moment;

/// The age at which a statistic counts for nothing any more: what nobody has confirmed since says
/// nothing of now. Netflix's edge balancer has the same.
pub const MEMORY: Duration = Duration::from_secs(30);

const MEMORY_MS: u32 = MEMORY.as_millis() as u32;
/// Another thread's reading of the clock may be a little ahead of this one's. What is further ahead is
/// long past.
const MOST_LEFT: u32 = 2 * MEMORY_MS;
const PER_MS: f32 = 1.0 / MEMORY_MS as f32;

/// A number that is not negative, with the moment until which it counts, in one word: both are
/// always of the same measurement, whoever else writes.
///
/// The moment's upper half is not kept. A number that nobody touched for 49.7 days, to within its
/// memory of 30 s, would be taken for a fresh one.
#[derive(Debug, Default)]
pub(crate) struct Signal(AtomicU64);

impl Signal {
    /// The number as it was measured, and its age in milliseconds.
    pub(crate) fn raw(&self, now: Moment) -> (f32, u32) {
        let (value, until) = unpack(self.0.load(Ordering::Relaxed));
        (value, MEMORY_MS.saturating_sub(left(until, now)))
    }

    /// The number as it counts now: less by the 30th part for every second since, down to zero.
    #[inline]
    pub(crate) fn decayed(&self, now: Moment) -> f32 {
        self.times(1, now).unwrap_or(0.0)
    }

    /// So many times the number as it counts now; none where it is zero.
    #[inline]
    pub(crate) fn times(&self, count: u64, now: Moment) -> Option<f32> {
        let (value, until) = unpack(self.0.load(Ordering::Relaxed));
        let left = until.wrapping_sub(now.0 as u32);
        // As whole numbers, as long as that goes: choices do this several times for each endpoint.
        if value.to_bits() == 0 || left.wrapping_sub(1) >= MOST_LEFT {
            return None;
        }
        let left = u64::from(left).wrapping_mul(count) as i64;
        Some(value * (left as f32 * PER_MS))
    }

    /// Puts another in its place.
    pub(crate) fn set(&self, value: f32, now: Moment) {
        self.0.store(pack(value, now), Ordering::Relaxed);
    }

    /// Puts what `change` makes of the number as measured, and of its age in milliseconds, in its place;
    /// nothing where that gives nothing.
    pub(crate) fn update(&self, now: Moment, change: impl Fn(f32, u32) -> Option<f32>) {
        // Relaxed: the word stands for itself. What is lost where two threads race is one
        // measurement of many, so nobody tries again.
        let word = self.0.load(Ordering::Relaxed);
        let (value, until) = unpack(word);
        let age = MEMORY_MS.saturating_sub(left(until, now));
        if let Some(next) = change(value, age) {
            let next = pack(next, now);
            let _ = self
                .0
                .compare_exchange(word, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// `value` after `age` milliseconds.
pub(crate) fn decay(value: f32, age: u32) -> f32 {
    value * (MEMORY_MS.saturating_sub(age) as f32 * PER_MS)
}

/// Milliseconds until a number counts for nothing.
fn left(until: u32, now: Moment) -> u32 {
    match until.wrapping_sub(now.0 as u32) {
        left if left > MOST_LEFT => 0,
        left => left,
    }
}

fn pack(value: f32, now: Moment) -> u64 {
    u64::from(value.to_bits()) << 32 | u64::from((now.0 as u32).wrapping_add(MEMORY_MS))
}

fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_fades_in_a_straight_line_and_is_gone_after_its_memory() {
        let signal = Signal::default();
        signal.set(0.9, Moment(5_000));
        let at = |seconds: u64| signal.decayed(Moment(5_000 + seconds * 1_000));
        assert!((at(0) - 0.9).abs() < 1e-6);
        assert!((at(10) - 0.6).abs() < 1e-6);
        assert!((at(20) - 0.3).abs() < 1e-6);
        assert_eq!((at(30), at(31), at(3_600)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_reading_from_just_before_the_measurement_takes_it_as_it_is() {
        let signal = Signal::default();
        signal.set(0.5, Moment(1_000));
        assert!((signal.decayed(Moment(998)) - 0.5).abs() < 1e-3);
        assert_eq!(signal.raw(Moment(998)), (0.5, 0));
    }

    proptest! {
        #[test]
        fn whatever_was_measured_is_gone_after_its_memory(
            value in 0f32..1e6, start in any::<u32>(), later in 30_000u64..(1 << 31)
        ) {
            let signal = Signal::default();
            let start = Moment(u64::from(start));
            signal.update(start, |_, _| Some(value));
            prop_assert_eq!(signal.raw(start), (value, 0));
            prop_assert_eq!(signal.decayed(Moment(start.0 + later)), 0.0);
        }
    }
}
