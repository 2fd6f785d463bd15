//! The circuit breaker against a naive model of it.

use polity_core::SplitMix64;
use proptest::prelude::*;

use super::tests::SETTINGS;
use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Begin,
    Succeed(usize),
    Fail(usize),
    Leave(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1u64..9_000).prop_map(Step::Wait),
        6 => Just(Step::Begin),
        2 => any::<usize>().prop_map(Step::Succeed),
        4 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Leave),
    ]
}

/// What the breaker is, told as lists of what has happened since its phase began.
#[derive(Default)]
struct Model {
    phase: u32,
    kind: Kind,
    /// The second and whether it failed, of each request that began in this phase and has ended.
    ended: Vec<(u64, bool)>,
    trips: u32,
    since: u64,
}

#[derive(Default, PartialEq)]
enum Kind {
    #[default]
    Admitting,
    RejectingUntil(u64),
    Probing,
}

impl Model {
    fn next(&mut self, kind: Kind, now: u64) {
        self.phase += 1;
        self.kind = kind;
        self.ended.clear();
        self.since = now;
    }

    fn lets_through(&mut self, settings: &Settings, there: usize, now: u64) -> bool {
        match self.kind {
            Kind::RejectingUntil(until) if now >= until => {
                self.next(Kind::Probing, now);
                true
            }
            Kind::RejectingUntil(_) => false,
            Kind::Probing => there < usize::from(settings.probes),
            Kind::Admitting => true,
        }
    }

    /// Whether what has ended in this phase trips it.
    fn trips(&self, settings: &Settings, now: u64) -> bool {
        let in_row = self
            .ended
            .iter()
            .rev()
            .take_while(|(_, failed)| *failed)
            .count();
        let recent = || {
            self.ended
                .iter()
                .filter(|(second, _)| second + RATE_WINDOW as u64 > now / 1_000)
        };
        let failures = recent().filter(|(_, failed)| *failed).count() as f64;
        let rate = settings.rate.is_some_and(|rate| {
            let requests = recent().count();
            requests >= rate.requests as usize && failures >= rate.share * requests as f64
        });
        match self.kind {
            Kind::Admitting => {
                rate || settings
                    .consecutive_failures
                    .is_some_and(|most| in_row >= usize::from(most))
            }
            Kind::Probing => true,
            Kind::RejectingUntil(_) => false,
        }
    }

    /// How long it must reject now.
    fn trip(&mut self, settings: &Settings, now: u64) -> Duration {
        if self.kind == Kind::Admitting {
            let calm = (now - self.since / 1_000 * 1_000) / settings.base.as_millis() as u64;
            self.trips = self.trips.saturating_sub(calm as u32);
        }
        let period = settings.base * 2u32.pow(self.trips);
        self.trips += 1;
        period.min(settings.cap)
    }
}

proptest! {
    #[test]
    fn it_does_what_lists_of_requests_would_have_it_do(
        steps in prop::collection::vec(any_step(), 0..200),
        in_row in prop::option::of(1u16..4),
        rate in prop::option::of((0.1f64..1.0, 1u32..8)),
        probes in 1u16..4, successes in 1u16..4, seed in any::<u64>(),
    ) {
        let settings = Settings {
            consecutive_failures: in_row,
            rate: rate.map(|(share, requests)| Rate { share, requests }),
            probes, successes, ..SETTINGS
        };
        let origin = Instant::now();
        let breaker = CircuitBreaker::new(settings, origin);
        let (mut rng, mut now) = (SplitMix64::new(seed), 0u64);
        let mut model = Model::default();
        let mut there: Vec<(Permit<&CircuitBreaker>, u32)> = Vec::new();
        for step in steps {
            let at = origin + Duration::from_millis(now);
            let (index, failed) = match step {
                Step::Wait(millis) => {
                    now += millis;
                    continue;
                }
                Step::Begin => {
                    let here = there.iter().filter(|(_, phase)| *phase == model.phase).count();
                    let expected = model.lets_through(&settings, here, now);
                    prop_assert_eq!(breaker.admits(at), expected);
                    let begun = Permit::begin(&breaker, at);
                    prop_assert_eq!(begun.is_ok(), expected);
                    there.extend(begun.ok().map(|permit| (permit, model.phase)));
                    continue;
                }
                Step::Leave(index) => (index, None),
                Step::Succeed(index) => (index, Some(false)),
                Step::Fail(index) => (index, Some(true)),
            };
            if there.is_empty() {
                continue;
            }
            let (permit, phase) = there.swap_remove(index % there.len());
            let Some(failed) = failed else { continue };
            let change = match failed {
                true => permit.failed(at, &mut rng),
                false => permit.succeeded(at),
            };
            if phase != model.phase {
                prop_assert_eq!(change, None);
                continue;
            }
            model.ended.push((now / 1_000, failed));
            if failed && model.trips(&settings, now) {
                let least = model.trip(&settings, now);
                let Some(Change::Tripped(_, period)) = change else {
                    return Err(TestCaseError::fail(format!("{change:?} instead of a trip")));
                };
                prop_assert!(period >= least && period <= least.mul_f64(1.0 + JITTER));
                model.next(Kind::RejectingUntil(now + period.as_millis() as u64), now);
            } else if model.kind == Kind::Probing && model.ended.len() >= usize::from(successes) {
                prop_assert_eq!(change, Some(Change::Recovered));
                model.next(Kind::Admitting, now);
            } else {
                prop_assert_eq!(change, None);
            }
        }
    }

    #[test]
    fn a_word_is_what_was_packed(word in any::<u64>()) {
        let word = Word::unpack(word);
        prop_assert_eq!(Word::unpack(word.pack()), word);
    }
}
