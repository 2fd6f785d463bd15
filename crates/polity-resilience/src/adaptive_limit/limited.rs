//! While there is a limit: followed in steps, each watched for what it does, and doubted now and then.

use std::time::{Duration, Instant};

use super::window::{Sample, Seen, Window};
use super::{MIN_LIMIT, PERIOD};

/// The deepest cut at once: latency was measured to follow the load so far.
const CUT: f64 = 0.25;

/// The most that the limit is raised by at once.
const RAISE: f64 = 1.25;

/// The limit, of what the load was before a cut that did not help.
const UNDO: f64 = 4.0;

/// Latency follows load if it falls to this where load falls to [`CHECKED_AT`], or rises to the
/// inverse where load is doubled.
const MUST_FALL_TO: f64 = 0.8;
const CHECKED_AT: f64 = 0.6;

/// How long the effect of a step is watched, in latencies, and within what bounds.
const LATENCIES_WATCHED: u32 = 2;
const MIN_WATCH: Duration = Duration::from_millis(200);
const MAX_WATCH: Duration = Duration::from_secs(30);

/// Fewer slow requests than this say nothing.
const MIN_SAMPLES: u64 = 32;

/// A limit under which too little is answered to tell anything ends after so long.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// The limit ends after so long without a refusal.
const RELEASE: Duration = Duration::from_secs(10);

/// How long it is believed that latency follows the load without having seen it.
const DOUBT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Limited {
    limit: u64,
    target: Duration,
    /// What requests took before they stood in line.
    base: Duration,
    /// The load that the present one is compared with.
    trial: Option<Trial>,
    /// Cuts in a row that did not help.
    in_vain: u32,
    proven: Instant,
    last_refusal: Instant,
    step: Step,
}

/// A load, what requests took under it, and whether there is more or less now.
#[derive(Debug, Clone, Copy)]
struct Trial {
    load: u64,
    took: Took,
    kind: Kind,
}

/// How long requests took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    pub(super) least: Duration,
    /// Of those that took longer than the target.
    pub(super) mean: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cut,
    Doubled,
}

/// What is watched: since when, for how long, and what has been seen.
#[derive(Debug)]
struct Step {
    since: Instant,
    watch: Duration,
    seen: Seen,
    refused: u64,
}

pub(super) enum Verdict {
    Keep,
    Over,
}

impl Limited {
    /// A limit for a service whose requests take so long under that load, and took `base` before
    /// they stood in line.
    pub(super) fn new(
        load: u64,
        took: Took,
        base: Duration,
        target: Duration,
        now: Instant,
    ) -> Self {
        Self {
            limit: scaled(load, took.least, base + target, 1.0),
            target,
            base,
            trial: Some(Trial {
                load,
                took,
                kind: Kind::Cut,
            }),
            in_vain: 0,
            proven: now,
            last_refusal: now,
            step: Step::new(base + target, now),
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// What requests take, if the limit was seen not to help: there is no queue in that.
    pub(super) fn latency_without_queue(&self) -> Option<Duration> {
        (self.in_vain > 0).then_some(self.base)
    }

    pub(super) fn advance(&mut self, window: &Window, now: Instant) -> Verdict {
        self.step.seen.add(window.total());
        self.step.refused += window.refused;
        if window.refused > 0 {
            self.last_refusal = now;
        }
        if now.saturating_duration_since(self.last_refusal) >= RELEASE {
            return Verdict::Over;
        }
        let watched = now.saturating_duration_since(self.step.since);
        if watched < self.step.watch {
            return Verdict::Keep;
        }
        let Seen { least, slow } = self.step.seen;
        match least {
            Some(least) if slow.count >= MIN_SAMPLES || least.latency <= self.aim() => {
                let mean = slow.mean().filter(|_| slow.count >= MIN_SAMPLES);
                let refused = self.step.refused;
                self.step = Step::new(mean.unwrap_or(least.latency), now);
                // Without refusals the load is below the limit, and says nothing of it.
                if refused > 0 {
                    self.follow(least, mean, now);
                }
                Verdict::Keep
            }
            _ if watched >= MAX_SILENCE => Verdict::Over,
            _ => Verdict::Keep,
        }
    }

    fn aim(&self) -> Duration {
        self.base + self.target
    }

    /// Takes the next step, from what requests took under the limit.
    fn follow(&mut self, quickest: Sample, mean: Option<Duration>, now: Instant) {
        let least = quickest.latency;
        self.base = self.base.min(least);
        let took = mean.map(|mean| Took { least, mean });
        if let Some(took) = took
            && self.try_out(quickest.position, took, now)
        {
            return;
        }
        let limit = scaled(self.limit, least, self.aim(), RAISE);
        if let Some(took) = took {
            self.note_cut(limit, took);
        }
        self.limit = limit;
    }

    /// Draws the conclusion of a trial, or begins one. Whether that set the limit.
    fn try_out(&mut self, position: u64, took: Took, now: Instant) -> bool {
        match self.trial {
            Some(trial) if trial.kind == Kind::Doubled => {
                // Until the load has come up to what it may be, there is nothing to compare.
                if position as f64 * CHECKED_AT >= trial.load as f64 {
                    self.conclude(trial, took, now);
                }
            }
            Some(trial) if self.limit as f64 <= trial.load as f64 * CHECKED_AT => {
                if self.helped(trial, took, now) {
                    return false;
                }
                self.undo(trial.load, took, now);
            }
            None if now.saturating_duration_since(self.proven) >= DOUBT => {
                self.trial = Some(Trial {
                    load: self.limit,
                    took,
                    kind: Kind::Doubled,
                });
                self.limit *= 2;
            }
            _ => return false,
        }
        true
    }

    /// What the load after a cut will be compared with: the load before the first of several, unless
    /// the service itself has become slower since.
    fn note_cut(&mut self, limit: u64, took: Took) {
        let here = Trial {
            load: self.limit,
            took,
            kind: Kind::Cut,
        };
        let known = self.trial.filter(|trial| !took.is_longer_than(trial.took));
        self.trial = (limit < self.limit).then_some(known.unwrap_or(here));
    }

    /// Whether the cuts since `trial` have shortened the line.
    fn helped(&mut self, trial: Trial, took: Took, now: Instant) -> bool {
        if trial.took.is_longer_than(took) {
            self.proven = now;
            self.in_vain = 0;
            self.trial = None;
            return true;
        }
        // Where it rose, the service itself may have become slower: the next cut will tell.
        let rose = took.is_longer_than(trial.took) && self.in_vain == 0;
        self.in_vain += u32::from(rose);
        rose
    }

    /// The load was doubled to see whether latency follows.
    fn conclude(&mut self, before: Trial, took: Took, now: Instant) {
        if took.is_longer_than(before.took) {
            self.limit = before.load;
            self.proven = now;
            self.in_vain = 0;
            self.trial = None;
        } else {
            self.undo(before.load, took, now);
        }
    }

    /// No queue was shortened between `load` and now: what requests take is what they take without
    /// one.
    fn undo(&mut self, load: u64, took: Took, now: Instant) {
        self.base = took.least;
        self.limit = (load as f64 * UNDO) as u64;
        self.proven = now;
        self.in_vain += 1;
        self.trial = None;
    }
}

impl Took {
    /// By more than chance: the quickest, or all together.
    fn is_longer_than(self, other: Self) -> bool {
        let is_above = |one: Duration, other: Duration| other < one.mul_f64(MUST_FALL_TO);
        is_above(self.least, other.least) || is_above(self.mean, other.mean)
    }
}

impl Step {
    fn new(latency: Duration, now: Instant) -> Self {
        let several = latency.saturating_mul(LATENCIES_WATCHED);
        Self {
            since: now,
            watch: several.clamp(MIN_WATCH.max(PERIOD), MAX_WATCH),
            seen: Seen::default(),
            refused: 0,
        }
    }
}

/// The load under which latency would be `aim`, as far as it follows load, and within [`CUT`] and
/// `most` of the load that it is `latency` under.
fn scaled(load: u64, latency: Duration, aim: Duration, most: f64) -> u64 {
    let factor = aim.as_secs_f64() / latency.as_secs_f64().max(1e-6);
    let limit = load as f64 * factor.clamp(CUT, most);
    (limit.round() as u64).max(MIN_LIMIT)
}
