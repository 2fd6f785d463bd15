//! Tests of the circuit breaker: its promises, and threads that race for the last probe.

use std::sync::atomic::AtomicU32;
use std::thread;

use polity_core::SplitMix64;

use super::*;

const BASE: Duration = Duration::from_secs(5);

pub(super) const SETTINGS: Settings = Settings {
    consecutive_failures: Some(3),
    rate: None,
    base: BASE,
    cap: Duration::from_secs(60),
    probes: 1,
    successes: 2,
};

const RATE: Settings = Settings {
    consecutive_failures: None,
    rate: Some(Rate {
        share: 0.5,
        requests: 10,
    }),
    ..SETTINGS
};

/// A breaker, and the time as it is told.
struct Scene {
    breaker: CircuitBreaker,
    now: Instant,
    rng: SplitMix64,
}

type Begun<'a> = Permit<&'a CircuitBreaker>;

impl Scene {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            breaker: CircuitBreaker::new(settings, now),
            now,
            rng: SplitMix64::new(1),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn begin(&self) -> Result<Begun<'_>, Rejected> {
        Permit::begin(&self.breaker, self.now)
    }

    fn succeed(&self) -> Option<Change> {
        self.begin().expect("let through").succeeded(self.now)
    }

    fn fail(&mut self) -> Option<Change> {
        let (breaker, now) = (&self.breaker, self.now);
        let permit = Permit::begin(breaker, now).expect("let through");
        permit.failed(now, &mut self.rng)
    }

    /// Fails until it trips, and gives why and for how long.
    fn trip(&mut self) -> (Reason, Duration) {
        for _ in 0..100 {
            if let Some(Change::Tripped(reason, period)) = self.fail() {
                return (reason, period);
            }
        }
        panic!("a hundred failures and no trip");
    }

    /// Waits until it would probe, and has as many probes succeed as are wanted.
    fn recover(&mut self) {
        if let State::Rejecting(_, left) = self.breaker.state(self.now) {
            self.wait(left);
        }
        assert_eq!(self.succeed(), None);
        assert_eq!(self.succeed(), Some(Change::Recovered));
    }
}

#[test]
fn failures_in_a_row_trip_it_and_a_success_between_them_does_not() {
    let mut scene = Scene::new(SETTINGS);
    for _ in 0..10 {
        assert_eq!((scene.fail(), scene.fail()), (None, None));
        scene.succeed();
    }
    assert_eq!(scene.breaker.state(scene.now), State::Admitting);
    let (reason, period) = scene.trip();
    assert_eq!(reason, Reason::ConsecutiveFailures);
    assert!(period >= BASE && period <= BASE.mul_f64(1.0 + JITTER));
    let rejected = scene.begin().expect_err("it has tripped");
    assert_eq!(
        rejected,
        Rejected {
            reason,
            remaining: Some(period)
        }
    );
    assert!(!scene.breaker.admits(scene.now));
    assert_eq!(
        rejected.to_string(),
        "the circuit breaker is open: too many requests in a row have failed"
    );
}

#[test]
fn a_share_of_failures_trips_it_once_there_are_enough_requests() {
    let mut scene = Scene::new(RATE);
    for _ in 0..4 {
        assert_eq!(scene.fail(), None);
        scene.succeed();
    }
    // Nine in all say nothing yet.
    assert_eq!(scene.fail(), None);
    assert!(matches!(
        scene.fail(),
        Some(Change::Tripped(Reason::FailureRate, _))
    ));
}

#[test]
fn a_smaller_share_does_not_nor_do_failures_of_a_while_ago() {
    let mut scene = Scene::new(RATE);
    for _ in 0..100 {
        scene.succeed();
        scene.succeed();
        assert_eq!(scene.fail(), None);
    }
    scene.wait(Duration::from_secs(10));
    for _ in 0..9 {
        assert_eq!(scene.fail(), None, "nine requests in the window");
    }
    assert!(scene.fail().is_some());
}

#[test]
fn failures_from_before_a_trip_do_not_count_after_it() {
    let rate = Rate {
        share: 0.6,
        requests: 10,
    };
    let mut scene = Scene::new(Settings {
        rate: Some(rate),
        ..RATE
    });
    (0..4).for_each(|_| assert_eq!(scene.succeed(), None));
    scene.trip();
    // Less than the window later.
    scene.recover();
    for _ in 0..9 {
        assert_eq!(scene.fail(), None);
    }
    assert!(scene.fail().is_some(), "nor do successes");
}

#[test]
fn a_probe_that_leaves_late_gives_nobody_a_place() {
    let mut scene = Scene::new(Settings {
        probes: 2,
        ..SETTINGS
    });
    let (_, period) = scene.trip();
    let first = scene.now + period;
    let late = Permit::begin(&scene.breaker, first).expect("a probe");
    let failing = Permit::begin(&scene.breaker, first).expect("a probe");
    let Some(Change::Tripped(_, period)) = failing.failed(first, &mut scene.rng) else {
        panic!("a failed probe ends the probing");
    };
    let second = first + period;
    let probes = [(); 2].map(|()| Permit::begin(&scene.breaker, second));
    assert!(probes.iter().all(Result::is_ok));
    drop(late);
    assert!(Permit::begin(&scene.breaker, second).is_err());
}

#[test]
fn probing_lets_a_few_through_and_ends_with_enough_successes() {
    let mut scene = Scene::new(Settings {
        probes: 2,
        successes: 3,
        ..SETTINGS
    });
    let (reason, period) = scene.trip();
    scene.wait(period - Duration::from_millis(1));
    assert!(scene.begin().is_err());
    scene.wait(Duration::from_millis(1));
    assert!(scene.breaker.admits(scene.now));
    let (first, second) = (scene.begin(), scene.begin());
    assert_eq!(scene.breaker.state(scene.now), State::Probing(reason));
    assert!(!scene.breaker.admits(scene.now));
    assert_eq!(
        scene.begin().err(),
        Some(Rejected {
            reason,
            remaining: None
        })
    );
    assert_eq!(first.expect("a probe").succeeded(scene.now), None);
    assert_eq!(second.expect("a probe").succeeded(scene.now), None);
    assert_eq!(scene.succeed(), Some(Change::Recovered));
    assert_eq!(scene.breaker.state(scene.now), State::Admitting);
}

#[test]
fn a_probe_that_says_nothing_gives_its_place_back() {
    let mut scene = Scene::new(SETTINGS);
    let (_, period) = scene.trip();
    scene.wait(period);
    for _ in 0..5 {
        let probe = scene.begin();
        assert!(probe.is_ok());
        assert!(scene.begin().is_err());
        drop(probe);
    }
    assert_eq!(scene.succeed(), None);
    assert_eq!(scene.succeed(), Some(Change::Recovered));
}

#[test]
fn each_trip_in_turn_rejects_for_twice_as_long_up_to_the_cap() {
    let mut scene = Scene::new(SETTINGS);
    let mut periods = vec![scene.trip()];
    for _ in 0..5 {
        scene.wait(periods.last().map_or(BASE, |(_, period)| *period));
        periods.push(scene.trip());
    }
    let expected = [5, 10, 20, 40, 60, 60].map(Duration::from_secs);
    assert_eq!(periods[0].0, Reason::ConsecutiveFailures);
    for ((_, period), expected) in periods.iter().zip(expected) {
        assert!(
            (expected..=expected.mul_f64(1.0 + JITTER)).contains(period),
            "{period:?} for {expected:?}"
        );
    }
    let (reason, _) = periods[1];
    assert_eq!(reason, Reason::FailedProbe);
}

#[test]
fn trips_are_forgotten_one_for_each_calm_base_time() {
    let mut scene = Scene::new(SETTINGS);
    for _ in 0..3 {
        scene.trip();
        scene.recover();
    }
    // Three trips; two of them are forgotten.
    scene.wait(2 * BASE);
    let (_, period) = scene.trip();
    assert!(
        (2 * BASE..=(2 * BASE).mul_f64(1.0 + JITTER)).contains(&period),
        "{period:?}"
    );
}

#[test]
fn requests_of_an_earlier_phase_say_nothing_of_this_one() {
    let scene = Scene::new(SETTINGS);
    let old: Vec<_> = (0..8)
        .map(|_| Permit::begin(&scene.breaker, scene.now).expect("let through"))
        .collect();
    let mut rng = SplitMix64::new(2);
    let now = scene.now;
    let mut old = old.into_iter();
    let mut failed = || old.next().and_then(|permit| permit.failed(now, &mut rng));
    assert_eq!((failed(), failed()), (None, None));
    assert!(failed().is_some());
    assert_eq!(failed(), None, "it has tripped already");
    let State::Rejecting(_, left) = scene.breaker.state(now) else {
        panic!("it rejects");
    };
    let later = now + left;
    let probe = Permit::begin(&scene.breaker, later).expect("a probe");
    assert_eq!(failed(), None, "it does not end the probing");
    assert!(
        old.next()
            .is_some_and(|permit| permit.succeeded(later).is_none())
    );
    drop(old);
    assert!(
        Permit::begin(&scene.breaker, later).is_err(),
        "the place is still taken"
    );
    assert_eq!(probe.succeeded(later), None);
    let last = Permit::begin(&scene.breaker, later).expect("a probe");
    assert_eq!(last.succeeded(later), Some(Change::Recovered));
}

#[test]
fn threads_never_have_more_probes_at_once_than_it_wants() {
    const PROBES: u16 = 3;
    let mut scene = Scene::new(Settings {
        probes: PROBES,
        successes: MAX_COUNT,
        ..SETTINGS
    });
    let (_, period) = scene.trip();
    let (breaker, now) = (&scene.breaker, scene.now + period);
    let (there, begun) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for thread in 0..4 {
            let (there, begun) = (&there, &begun);
            scope.spawn(move || {
                for round in 0..1_000 {
                    let Ok(permit) = Permit::begin(breaker, now) else {
                        continue;
                    };
                    let before = there.fetch_add(1, Ordering::SeqCst);
                    assert!(before < u32::from(PROBES));
                    begun.fetch_add(1, Ordering::SeqCst);
                    there.fetch_sub(1, Ordering::SeqCst);
                    match (thread + round) % 2 {
                        0 => drop(permit),
                        _ => drop(permit.succeeded(now)),
                    }
                }
            });
        }
    });
    assert!(begun.into_inner() > 0);
    let all: Vec<_> = (0..PROBES).map(|_| Permit::begin(breaker, now)).collect();
    assert!(all.iter().all(Result::is_ok), "no place is lost");
}
