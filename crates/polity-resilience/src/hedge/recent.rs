//! Whether most answers of the last moment were slow: a fleet fills up within a tenth of a second, and what
//! seconds have shown says nothing of that yet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A moment is so many ticks, the one that is not over included.
const TICKS: u32 = 4;

const TICK: Duration = Duration::from_millis(25);

/// With fewer answers in a moment, what most of them took is chance.
const MIN_ANSWERS: u32 = 10;

/// Answers of the last moment, counted by all threads without a lock.
#[derive(Debug)]
pub(super) struct Recent {
    origin: Instant,
    ticks: [AtomicU64; TICKS as usize],
}

/// What came in one tick, in one word. A thread that was held up may put its own in the place of a later
/// one: what is lost then is one of four.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tick {
    number: u32,
    answers: u16,
    slow: u16,
}

impl Recent {
    /// Of no answers. Times given later are counted from `origin`.
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            ticks: Default::default(),
        }
    }

    /// Notes an answer that came at `now`.
    pub(super) fn note(&self, is_slow: bool, now: Instant) {
        let number = self.number(now);
        let Some(tick) = self.ticks.get((number % TICKS) as usize) else {
            return;
        };
        let noted = |word| {
            let known = Tick::unpack(word);
            let known = match known.number == number {
                true => known,
                false => Tick {
                    number,
                    ..Tick::default()
                },
            };
            Some(known.with(is_slow).pack())
        };
        // It never declines.
        let _ = tick.fetch_update(Ordering::Relaxed, Ordering::Relaxed, noted);
    }

    /// Whether most of them were slow; not where there were too few to say.
    pub(super) fn are_slow(&self, now: Instant) -> bool {
        let number = self.number(now);
        let ticks = self.ticks.iter();
        let known = ticks.map(|tick| Tick::unpack(tick.load(Ordering::Relaxed)));
        let recent = known.filter(|tick| number.wrapping_sub(tick.number) < TICKS);
        let (answers, slow) = recent.fold((0, 0), |(answers, slow), tick| {
            (
                answers + u32::from(tick.answers),
                slow + u32::from(tick.slow),
            )
        });
        answers >= MIN_ANSWERS && slow * 2 > answers
    }

    /// Wraps after three years, which no difference minds. None is 0, which is that of no answers.
    fn number(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.origin);
        (since.as_millis() / TICK.as_millis()) as u32 + 1
    }
}

impl Tick {
    fn with(self, is_slow: bool) -> Self {
        // Of more than fit, the rest are like these.
        match self.answers.checked_add(1) {
            Some(answers) => Self {
                answers,
                slow: self.slow + u16::from(is_slow),
                ..self
            },
            None => self,
        }
    }

    fn pack(self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.answers) << 16 | u64::from(self.slow)
    }

    fn unpack(word: u64) -> Self {
        Self {
            number: (word >> 32) as u32,
            answers: (word >> 16) as u16,
            slow: word as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: bool = true;

    fn check(answers: &[(u64, bool)], at: u64, expected: bool) {
        let origin = Instant::now();
        let recent = Recent::new(origin);
        let moment = |millis| origin + Duration::from_millis(millis);
        for (millis, is_slow) in answers {
            recent.note(*is_slow, moment(*millis));
        }
        assert_eq!(recent.are_slow(moment(at)), expected, "{answers:?} {at}");
    }

    #[test]
    fn what_most_of_a_moment_were_is_said_of_it_until_it_is_over() {
        let mut answers = [(10, SLOW); 11];
        check(&answers, 10, true);
        check(&answers, 99, true);
        check(&answers, 100, false);
        answers[..5].fill((10, false));
        check(&answers, 10, true);
        answers[..6].fill((10, false));
        check(&answers, 10, false);
    }

    #[test]
    fn few_say_nothing() {
        check(&[], 0, false);
        check(&[(0, SLOW); 9], 0, false);
        check(&[(0, SLOW); 10], 0, true);
    }

    #[test]
    fn what_was_a_round_before_is_over() {
        let answers = [[(1_000, SLOW); 12], [(1_100, false); 12]].concat();
        check(&answers, 1_100, false);
        // Held up since then.
        let answers = [[(1_100, false); 12], [(1_000, SLOW); 12]].concat();
        check(&answers, 1_100, false);
    }

    #[test]
    fn as_many_as_come_are_counted() {
        check(&vec![(0, SLOW); 70_000], 0, true);
    }
}
