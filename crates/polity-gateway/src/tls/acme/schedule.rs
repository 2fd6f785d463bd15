//! When a certificate is asked for: when it is time for another, and when to try again after a failure.
//!
//! Pure: the time and chance come in. What is known of a certificate spreads its renewal, so that many made
//! together are not all renewed together, and a restart changes nothing.

use std::time::{Duration, SystemTime};

/// The pause after the first attempt that failed: twice as long after each, and up to a quarter more by chance.
/// Five attempts fail within half an hour and the sixth an hour after the first, which is what authorities
/// bear (Let's Encrypt: five an hour for a host).
const FIRST_PAUSE: Duration = Duration::from_secs(120);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// The longest that an authority's word is waited for, and that a wait is believed to be meant: beyond, the
/// clock was set back.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(8 * 86_400);

/// The least time between two that were got, for those that are valid for minutes and for longer.
const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(3600);

/// Renewed when this part of its life is over.
const RENEWED_AT: (u32, u32) = (2, 3);

/// Or up to this part of its life earlier.
const SPREAD: u32 = 20;

/// How long a certificate is valid, and what tells it from others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Life {
    pub(super) begins: SystemTime,
    pub(super) ends: SystemTime,
    /// From 0 to below 1, always the same for one certificate.
    pub(super) share: f64,
}

/// When an authority would have a certificate renewed (RFC 9773).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
}

/// When it is time for another: at once where there is none.
pub(super) fn renewal(life: Option<Life>, window: Option<Window>) -> SystemTime {
    let Some(life) = life else {
        return SystemTime::UNIX_EPOCH;
    };
    let whole = life.ends.duration_since(life.begins).unwrap_or_default();
    let early = (whole / SPREAD).mul_f64(life.share);
    let usual = life.begins + whole / RENEWED_AT.1 * RENEWED_AT.0 - early;
    let asked = window.and_then(|window| {
        let length = window.end.duration_since(window.start).ok()?;
        let at = window.start + length.mul_f64(life.share);
        // An authority that errs must not let it expire.
        (at < life.ends - whole / SPREAD).then_some(at)
    });
    asked.unwrap_or(usual)
}

/// How long to wait after so many attempts that failed; `chance` from 0 to below 1.
pub(super) fn pause(failures: u32, chance: f64) -> Duration {
    let doubled = failures.saturating_sub(1).min(16);
    let pause = FIRST_PAUSE.saturating_mul(1 << doubled).min(LONGEST_PAUSE);
    pause.mul_f64(1.0 + chance / 4.0)
}

/// When the next attempt is made; `not_before` is what was noted after the last.
pub(super) fn next_attempt(
    renewal: SystemTime,
    not_before: SystemTime,
    now: SystemTime,
) -> SystemTime {
    let is_believed = not_before <= now + LONGEST_WAIT;
    match is_believed {
        true => renewal.max(not_before),
        false => renewal,
    }
}

/// How long to leave a certificate alone that was just got, whatever it and its authority say, as it is valid for
/// so long: one that is due at once would else be asked for without end.
pub(super) fn least(valid: Duration) -> Duration {
    (valid / 3).clamp(SOON, LATER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * days
    }

    fn life(share: f64) -> Life {
        Life {
            begins: at(100),
            ends: at(190),
            share,
        }
    }

    #[test]
    fn it_is_renewed_at_two_thirds_of_its_life_or_a_little_before() {
        assert_eq!(renewal(Some(life(0.0)), None), at(160));
        let early = renewal(Some(life(0.5)), None);
        assert!(at(157) < early && early < at(158), "{early:?}");
        assert_eq!(renewal(None, None), SystemTime::UNIX_EPOCH);
        let week = Life {
            ends: at(106),
            ..life(0.0)
        };
        assert_eq!(renewal(Some(week), None), at(104));
        let wrong = Life {
            ends: at(90),
            ..life(0.9)
        };
        assert_eq!(renewal(Some(wrong), None), at(100));
    }

    #[test]
    fn an_authority_may_say_when_but_not_let_it_expire() {
        let window = |start, end| {
            Some(Window {
                start: at(start),
                end: at(end),
            })
        };
        assert_eq!(renewal(Some(life(0.5)), window(120, 122)), at(121));
        // It was revoked: the window is over already.
        assert_eq!(renewal(Some(life(0.5)), window(10, 12)), at(11));
        assert_eq!(renewal(Some(life(0.0)), window(189, 200)), at(160));
        assert_eq!(renewal(Some(life(0.0)), window(122, 120)), at(160));
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses = [0, 1, 2, 3, 4, 5].map(|failures| pause(failures, 0.0).as_secs());
        assert_eq!(pauses, [120, 120, 240, 480, 960, 1920]);
        assert_eq!(pause(u32::MAX, 0.0), LONGEST_PAUSE);
        assert_eq!(pause(1, 1.0), Duration::from_secs(150));
        let in_an_hour = (1..).map(|it| pause(it, 0.0).as_secs()).scan(0, |at, it| {
            *at += it;
            Some(*at)
        });
        assert!(in_an_hour.take_while(|at| *at < 3600).count() < 5);
    }

    #[test]
    fn a_wait_that_no_authority_asks_for_is_of_another_clock() {
        let now = at(160);
        assert_eq!(next_attempt(at(10), at(161), now), at(161));
        assert_eq!(next_attempt(at(170), at(161), now), at(170));
        assert_eq!(next_attempt(at(10), at(4000), now), at(10));
    }
}
