//! A breaker's phase in one word, and the steps from one to the next.

use std::time::Duration;

use super::{Reason, Settings};

/// What counts of requests go up to: twelve bits.
pub(super) const MAX_COUNT: u16 = (1 << COUNT_BITS) - 1;

/// Doublings beyond are longer than any cap.
const MAX_TRIPS: u8 = (1 << TRIPS_BITS) - 1;

const COUNT_BITS: u32 = 12;
const SECOND_BITS: u32 = 32;
/// 34 years.
const MILLI_BITS: u32 = 40;
const REASON_BITS: u32 = 2;
const TRIPS_BITS: u32 = 6;
const GENERATION_BITS: u32 = 12;
const KIND_BITS: u32 = 2;

/// A phase, and what is remembered beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    /// Of phases; it begins anew after 4,096.
    pub(super) generation: u16,
    /// Trips not forgotten yet.
    pub(super) trips: u8,
    pub(super) phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Admitting {
        /// In a row.
        failures: u16,
        /// The second it began in.
        since: u32,
    },
    Rejecting {
        /// Milliseconds since the origin.
        until: u64,
        reason: Reason,
    },
    Probing {
        /// That are there now.
        probes: u16,
        successes: u16,
        reason: Reason,
    },
}

/// What comes with a failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    /// With others, it makes a larger share than may be.
    pub(super) is_one_too_many: bool,
    /// How many times as long as is set a rejection takes.
    pub(super) stretch: f64,
}

impl Word {
    pub(super) fn admits(self) -> bool {
        matches!(self.phase, Phase::Admitting { .. })
    }

    /// How long it goes on rejecting; none where it does not, or need not.
    pub(super) fn rejects_for(self, now: u64) -> Option<Duration> {
        let Phase::Rejecting { until, .. } = self.phase else {
            return None;
        };
        let left = until.checked_sub(now).filter(|left| *left > 0)?;
        Some(Duration::from_millis(left))
    }

    /// A request comes. Where it is not to be let through nothing changes; a probe is counted.
    pub(super) fn enter(self, now: u64, settings: &Settings) -> Self {
        match self.phase {
            Phase::Rejecting { until, reason } if until <= now => self.next(Phase::Probing {
                probes: 1,
                successes: 0,
                reason,
            }),
            Phase::Probing {
                probes,
                successes,
                reason,
            } if probes < settings.probes.clamp(1, MAX_COUNT) => self.with(Phase::Probing {
                probes: probes + 1,
                successes,
                reason,
            }),
            _ => self,
        }
    }

    /// A request of `generation` has succeeded.
    pub(super) fn succeeded(self, generation: u16, now: u64, settings: &Settings) -> Self {
        match self.phase {
            _ if self.generation != generation => self,
            Phase::Admitting { since, .. } => self.with(Phase::Admitting { failures: 0, since }),
            Phase::Rejecting { .. } => self,
            Phase::Probing { successes, .. } if successes + 1 >= settings.successes => {
                self.next(Phase::Admitting {
                    failures: 0,
                    since: second(now),
                })
            }
            Phase::Probing {
                probes,
                successes,
                reason,
            } => self.with(Phase::Probing {
                probes: probes.saturating_sub(1),
                successes: (successes + 1).min(MAX_COUNT),
                reason,
            }),
        }
    }

    /// A request of `generation` has failed.
    pub(super) fn failed(
        self,
        generation: u16,
        now: u64,
        failure: Failure,
        settings: &Settings,
    ) -> Self {
        match self.phase {
            _ if self.generation != generation => self,
            Phase::Admitting { failures, since } => {
                let failures = (failures + 1).min(MAX_COUNT);
                let in_row = settings
                    .consecutive_failures
                    .is_some_and(|most| failures >= most);
                let base = settings.base.as_millis().max(1) as u64;
                let forgotten = now.saturating_sub(u64::from(since) * 1_000) / base;
                let calm = Self {
                    trips: self
                        .trips
                        .saturating_sub(u8::try_from(forgotten).unwrap_or(u8::MAX)),
                    ..self
                };
                let stretch = failure.stretch;
                match (in_row, failure.is_one_too_many) {
                    (true, _) => calm.trip(Reason::ConsecutiveFailures, now, stretch, settings),
                    (_, true) => calm.trip(Reason::FailureRate, now, stretch, settings),
                    _ => self.with(Phase::Admitting { failures, since }),
                }
            }
            Phase::Rejecting { .. } => self,
            Phase::Probing { .. } => self.trip(Reason::FailedProbe, now, failure.stretch, settings),
        }
    }

    /// A probe of `generation` has ended without saying how.
    pub(super) fn left(self, generation: u16) -> Self {
        match self.phase {
            Phase::Probing {
                probes,
                successes,
                reason,
            } if self.generation == generation => self.with(Phase::Probing {
                probes: probes.saturating_sub(1),
                successes,
                reason,
            }),
            _ => self,
        }
    }

    fn trip(self, reason: Reason, now: u64, stretch: f64, settings: &Settings) -> Self {
        let doubled = 1u32.checked_shl(u32::from(self.trips)).unwrap_or(u32::MAX);
        let period = settings.base.saturating_mul(doubled).min(settings.cap);
        let period = period.as_millis() as f64 * stretch;
        let until = now.saturating_add(period as u64).min(mask(MILLI_BITS));
        Self {
            trips: (self.trips + 1).min(MAX_TRIPS),
            ..self.next(Phase::Rejecting { until, reason })
        }
    }

    fn with(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// Another phase: what began before no longer counts.
    fn next(self, phase: Phase) -> Self {
        let generation = (self.generation + 1) & mask(GENERATION_BITS) as u16;
        Self {
            generation,
            phase,
            ..self
        }
    }

    pub(super) fn pack(self) -> u64 {
        let (kind, fields) = match self.phase {
            Phase::Admitting { failures, since } => (
                0,
                [
                    (failures.into(), COUNT_BITS),
                    (since.into(), SECOND_BITS),
                    (0, 0),
                ],
            ),
            Phase::Rejecting { until, reason } => (
                1,
                [(until, MILLI_BITS), (reason as u64, REASON_BITS), (0, 0)],
            ),
            Phase::Probing {
                probes,
                successes,
                reason,
            } => {
                let probes = (probes.into(), COUNT_BITS);
                (
                    2,
                    [
                        probes,
                        (successes.into(), COUNT_BITS),
                        (reason as u64, REASON_BITS),
                    ],
                )
            }
        };
        let common = [
            (kind, KIND_BITS),
            (self.generation.into(), GENERATION_BITS),
            (self.trips.into(), TRIPS_BITS),
        ];
        let all = common.into_iter().chain(fields).rev();
        all.fold(0, |word, (value, bits)| word << bits | value & mask(bits))
    }

    pub(super) fn unpack(word: u64) -> Self {
        let mut rest = word;
        let mut take = |bits| {
            let value = rest & mask(bits);
            rest >>= bits;
            value
        };
        let kind = take(KIND_BITS);
        let generation = take(GENERATION_BITS) as u16;
        let trips = take(TRIPS_BITS) as u8;
        let phase = match kind {
            0 => Phase::Admitting {
                failures: take(COUNT_BITS) as u16,
                since: take(SECOND_BITS) as u32,
            },
            1 => Phase::Rejecting {
                until: take(MILLI_BITS),
                reason: reason(take(REASON_BITS)),
            },
            _ => Phase::Probing {
                probes: take(COUNT_BITS) as u16,
                successes: take(COUNT_BITS) as u16,
                reason: reason(take(REASON_BITS)),
            },
        };
        Self {
            generation,
            trips,
            phase,
        }
    }
}

fn reason(number: u64) -> Reason {
    let all = [Reason::ConsecutiveFailures, Reason::FailureRate];
    all.into_iter()
        .find(|reason| *reason as u64 == number)
        .unwrap_or(Reason::FailedProbe)
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

pub(super) fn second(millis: u64) -> u32 {
    (millis / 1_000) as u32
}
