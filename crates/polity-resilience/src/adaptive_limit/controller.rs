//! The state machine behind the limit: from windows of measurements to a limit, or none.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::limited::{Limited, Took, Verdict};
use super::profile::Profile;
use super::window::{Seen, Window};

/// A delay stands once it was above the target in so many windows, one after the other, that had
/// an answer at all, and for so many requests. With half as many, the line is found half a second
/// sooner, and bursts are taken for one (by the simulation).
const STANDING_WINDOWS: usize = 10;
const STANDING_REQUESTS: u64 = 32;

/// How much of the time to work off those before it the quickest request must have taken.
const IN_LINE: f64 = 0.5;

/// Windows that are looked back over.
const MAX_STANDING_WINDOWS: usize = 256;

/// How far latency must be above that at which a limit did not help for another to be set.
const DISTRUST: f64 = 2.0;

/// How long no limit is set after one that did not help; doubled each time in a row.
const HOLD_OFF: Duration = Duration::from_secs(10);
const MAX_HOLD_OFF: Duration = Duration::from_secs(640);

#[derive(Debug)]
pub(super) struct Controller {
    target: Duration,
    profile: Profile,
    state: State,
    /// A latency at which limiting did not help, when last tried.
    disproved: Duration,
    held_off_until: Instant,
    hold_off: Duration,
}

#[derive(Debug)]
enum State {
    /// No limit; the last windows, if all their answers took longer than the target.
    Open(VecDeque<(Instant, Seen)>),
    Limited(Limited),
}

impl Controller {
    pub(super) fn new(target: Duration, now: Instant) -> Self {
        Self {
            target,
            profile: Profile::default(),
            state: State::Open(VecDeque::new()),
            disproved: Duration::ZERO,
            held_off_until: now,
            hold_off: HOLD_OFF,
        }
    }

    /// The limit from now on; none for none.
    pub(super) fn advance(&mut self, window: &Window, now: Instant) -> Option<u64> {
        match &mut self.state {
            State::Open(standing) => {
                self.profile.note(window, now);
                let seen = window.total();
                if seen.least?.latency <= self.target {
                    standing.clear();
                    return None;
                }
                if standing.len() == MAX_STANDING_WINDOWS {
                    standing.pop_front();
                }
                standing.push_back((now, seen));
                self.engage(seen, now)
            }
            State::Limited(limited) => match limited.advance(window, now) {
                Verdict::Keep => Some(limited.limit()),
                Verdict::Over => {
                    match limited.latency_without_queue() {
                        Some(latency) => {
                            self.disproved = latency;
                            self.held_off_until = now + self.hold_off;
                            self.hold_off = (self.hold_off * 2).min(MAX_HOLD_OFF);
                        }
                        None => (self.disproved, self.hold_off) = (Duration::ZERO, HOLD_OFF),
                    }
                    self.state = State::Open(VecDeque::new());
                    None
                }
            },
        }
    }

    fn engage(&mut self, latest: Seen, now: Instant) -> Option<u64> {
        let State::Open(windows) = &self.state else {
            return None;
        };
        if now < self.held_off_until {
            return None;
        }
        let mut standing = Seen::default();
        // The last windows, and ever more of those before: the line may be of any age.
        let base = windows
            .iter()
            .rev()
            .zip(1..)
            .find_map(|((from, window), count)| {
                standing.add(*window);
                let enough = count >= STANDING_WINDOWS && standing.slow.count >= STANDING_REQUESTS;
                if !enough || !is_in_line(&standing, now.saturating_duration_since(*from)) {
                    return None;
                }
                let base = self.profile.before_queue(&standing, now)?;
                let above = (base + self.target).max(self.disproved.mul_f64(DISTRUST));
                (standing.least?.latency > above).then_some(base)
            })?;
        let least = latest.least?;
        let took = Took {
            least: least.latency,
            mean: latest.slow.mean()?,
        };
        let limited = Limited::new(least.position, took, base, self.target, now);
        let limit = limited.limit();
        self.state = State::Limited(limited);
        Some(limit)
    }
}

/// Whether those seen within `time` stood in line: then even the quickest took about as long as it
/// takes to work off all that were there before it.
fn is_in_line(seen: &Seen, time: Duration) -> bool {
    let per_request = time.as_secs_f64() / seen.slow.count as f64;
    seen.least.is_some_and(|least| {
        least.latency.as_secs_f64() >= IN_LINE * least.position as f64 * per_request
    })
}
